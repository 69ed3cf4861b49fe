"""One call for every scene format, chosen by the path's suffix."""

from __future__ import annotations

from pathlib import Path

from chorus.errors import InputError
from chorus.io.npy_folder import read_npy_folder, write_npy_folder
from chorus.io.ply import read_ply, scene_of_table, write_ply
from chorus.io.ply_table import read_table
from chorus.io.points import PointCloud, cloud_of_table, is_bare
from chorus.io.splat import read_splat, write_splat
from chorus.scene import GaussianScene

_READERS = {".ply": read_ply, ".splat": read_splat}
_WRITERS = {".ply": write_ply, ".splat": write_splat, "": write_npy_folder}


def read_scene(path: Path) -> GaussianScene:
    """A scene from .ply, .splat, a folder of .npy arrays, or a fitted scene's folder (its scene.ply).

    Raises InputError when there is nothing at the path or its suffix is unknown.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, expected="a scene file or folder", got="nothing there")
    if path.is_dir():
        return read_ply(path / "scene.ply") if (path / "scene.ply").exists() else read_npy_folder(path)
    return _lookup(_READERS, path)(path)


def read_scene_or_points(path: Path) -> GaussianScene | PointCloud:
    """As :func:`read_scene`, but a .ply of bare points gives its point cloud. The file is parsed once."""
    path = Path(path)
    if path.suffix.lower() != ".ply" or not path.is_file():
        return read_scene(path)
    table = read_table(path)
    return cloud_of_table(path, table) if is_bare(table) else scene_of_table(path, table)


def write_scene(path: Path, scene: GaussianScene) -> None:
    """Write a scene as .ply, .splat or, without a suffix, a folder of .npy arrays."""
    _lookup(_WRITERS, Path(path))(Path(path), scene)


def _lookup(table: dict, path: Path):
    try:
        return table[path.suffix.lower()]
    except KeyError:
        known = ", ".join(suffix or "a folder" for suffix in table)
        raise InputError(path, expected=f"one of {known}", got=path.suffix or "no suffix") from None
