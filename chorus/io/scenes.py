"""One call for every scene format, chosen by the path's suffix and, of a folder, by what lies in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from chorus.errors import InputError
from chorus.io.compressed_ply import write_compressed_ply
from chorus.io.interior_gs import SPLATS, is_interior_gs, read_interior_gs
from chorus.io.npy_folder import read_npy_folder, write_npy_folder
from chorus.io.ply import declared, read_ply, scene_of_ply, write_ply
from chorus.io.ply_table import read_elements
from chorus.io.points import PointCloud, cloud_of_table, is_bare
from chorus.io.sog import META, read_sog
from chorus.io.splat import read_splat, write_splat
from chorus.io.spz import read_spz, write_spz
from chorus.scene import GaussianScene

_READERS = {
    ".ply": read_ply,
    ".splat": read_splat,
    ".spz": read_spz,
    ".sog": read_sog,
    ".zip": read_sog,
    ".json": read_sog,
}
_WRITERS = {
    ".ply": write_ply,
    ".compressed.ply": write_compressed_ply,
    ".splat": write_splat,
    ".spz": write_spz,
    "": write_npy_folder,
}
_KEEPS = {  # what each has a place for, of what not every scene has
    ".ply": ("offset", "labels", "harmonics", "up"),
    ".compressed.ply": ("harmonics",),
    ".splat": (),
    ".spz": ("harmonics",),
    "": ("offset", "labels"),
}
_FOREIGN = (".ksplat", ".lcc", ".glb", ".usdz", ".spx")  # what others read and we do not
_PACKED = {".gz": "gunzip", ".bz2": "bunzip2", ".xz": "unxz", ".zst": "unzstd", ".7z": "7z x", ".tar": "tar xf"}


def is_splat_file(path: Path) -> bool:
    """Whether a path is a file or a folder :func:`read_scene` takes for a scene of splats."""
    path = Path(path)
    if path.is_dir():
        return any((path / name).is_file() for name in ("scene.ply", SPLATS, META, "coord.npy"))
    return path.suffix.lower() in (*_READERS, *_FOREIGN) and path.name != "transforms.json"


def read_scene(path: Path) -> GaussianScene:
    """A scene from .ply (packed or not), .spz, .sog (or its folder, zip or meta.json), .splat, a folder of .npy arrays
    or of InteriorGS, or a fitted scene's folder (its scene.ply), in the file's own axes unless it declares them.

    Raises InputError when there is nothing at the path or its suffix is unknown.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(path, expected="a scene file or folder", got="nothing there")
    if not path.is_dir() and not path.is_file():
        raise InputError(path, expected="a scene file or folder", got="a device or a pipe")
    return _folder_reader(path)(path) if path.is_dir() else _lookup(_READERS, path, path.suffix)(path)


def read_scene_or_points(path: Path) -> GaussianScene | PointCloud:
    """As :func:`read_scene`, but a .ply of bare points gives its point cloud. The file is parsed once."""
    path = Path(path)
    if path.suffix.lower() != ".ply" or not path.is_file():
        return read_scene(path)
    ply = read_elements(path, optional=("chunk", "sh"))
    if not is_bare(ply.elements["vertex"]):
        return scene_of_ply(path, ply)
    cloud = cloud_of_table(path, ply.elements["vertex"])
    return replace(cloud, report=declared(cloud.report, ply))


def write_scene(path: Path, scene: GaussianScene) -> tuple[str, ...]:
    """Write a scene in its file's frame: .ply, .compressed.ply, .spz, .splat or, without a suffix, a folder of .npy
    arrays. Returns a line for each thing of the scene that the format has no place for."""
    path = Path(path)
    suffix = ".compressed.ply" if path.name.lower().endswith(".compressed.ply") else path.suffix
    _lookup(_WRITERS, path, suffix)(path, scene)
    return tuple(_left_behind(scene, suffix.lower()))


def _left_behind(scene: GaussianScene, suffix: str) -> Iterator[str]:
    kept, name = _KEEPS[suffix], suffix or "a folder"
    if any(scene.frame.offset) and "offset" not in kept:
        place = ", ".join(f"{x:.10g}" for x in scene.frame.offset)
        yield f"positions are less {place}: {name} holds numbers near its origin only"
    if scene.labels is not None and "labels" not in kept:
        yield f"labels are left behind: {name} has no place for them"
    if scene.sh_degree and "harmonics" not in kept:
        yield f"colors that change with the view are left behind: {name} has no place for them"
    if (scene.report.up is not None or scene.report.unit is not None) and "up" not in kept:
        yield f"up and unit are left behind: {name} has no place for them"


def _folder_reader(folder: Path) -> Callable[[Path], GaussianScene]:
    if (folder / "scene.ply").exists():
        return lambda path: read_ply(path / "scene.ply")
    if is_interior_gs(folder):
        return read_interior_gs
    return read_sog if (folder / META).is_file() else read_npy_folder


def _lookup(table: dict, path: Path, suffix: str):
    suffix = suffix.lower()
    if suffix in table:
        return table[suffix]
    known = ", ".join(name or "a folder" for name in table)
    fix = ""
    if suffix in _FOREIGN:
        fix = f"Convert it: splat-transform {path.name} {path.stem}.ply (npm: @playcanvas/splat-transform)."
    elif suffix in _PACKED:
        fix = f"Unpack it first: {_PACKED[suffix]} {path.name}."
    raise InputError(path, expected=f"one of {known}", got=suffix or "no suffix", fix=fix)
