"""Labelled scenes of others as this field's benchmarks lay them out: what an encoder reads of them, and the truth.

A folder of .npy arrays of Gaussians (SceneSplat-7K; ScanNet, ScanNet++ and Matterport3D as prepared for it), scored on
its point cloud pc_coord, pc_segment, pc_instance, or where it has none on the Gaussians; one of points alone
(Pointcept's ScanNet and ScanNet++), scored on them; one of InteriorGS, whose boxes name the Gaussians.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from chorus.encoder.points import scene_of_points
from chorus.encoder.read import read
from chorus.errors import InputError
from chorus.evaluate.points import TruthPoints
from chorus.files import read_file
from chorus.io import is_interior_gs, read_npy_labels, read_npy_points
from chorus.io.npy import read_npy
from chorus.scene import GaussianScene

DEPTH = 2  # folders below the one that is named: DIR/val/scene0011_00
_LAYOUTS = "scenes in the layout of SceneSplat-7K, Pointcept or InteriorGS (docs/benchmarks.md)"
_FIX = "Name the file of labels that the data set counts in."


@dataclass(frozen=True, kw_only=True)
class BenchmarkScene:
    """A scene to score. truth: P points in the frame of the Gaussians; voters: [N] bool, Gaussians whose class counts
    in the vote; own: the truth is of the Gaussians themselves, row by row."""

    name: str
    variant: Literal["splats", "points"]
    gaussians: GaussianScene
    truth: TruthPoints
    voters: np.ndarray  # [N]
    own: bool


def read_names(path: Path) -> tuple[str, ...]:
    """Class names of a text file, a line each: line k names class k. Raises InputError for none, or one twice."""
    try:
        lines = read_file(path).decode("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, expected="a text file of class names, a line each", got=error) from error
    names = tuple(line.strip() for line in lines if line.strip())
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        got = f"twice: {', '.join(twice)}" if twice else "none"
        raise InputError(path, expected="class names, a line each, each once", got=got)
    return names


def find_scenes(folder: Path) -> list[Path]:
    """The scenes of a folder, in the order of their names, or the folder itself where it is one. Raises InputError for
    none."""
    folder = Path(folder)
    level = [folder]
    for _ in range(DEPTH + 1):
        found = [path for path in level if _is_scene(path)]
        if found:
            return found
        level = sorted(path for parent in level if parent.is_dir() for path in parent.iterdir() if path.is_dir())
    got = "none" if folder.is_dir() else "nothing there"
    raise InputError(folder, expected=_LAYOUTS, got=got)


def _is_scene(folder: Path) -> bool:
    return (folder / "coord.npy").is_file() or is_interior_gs(folder)


def read_benchmark_scene(folder: Path, names: Sequence[str]) -> BenchmarkScene:
    """A scene of one of the layouts with its labels as ids of ``names``. Raises InputError for one without labels, with
    ids that are not among them, and for what its arrays lack."""
    folder = Path(folder)
    if is_interior_gs(folder):
        return _of_boxes(folder, names)
    return _of_arrays(folder, names) if (folder / "quat.npy").exists() else _of_points(folder, names)


def _of_arrays(folder: Path, names: Sequence[str]) -> BenchmarkScene:
    scene, labels = read(folder), read_npy_labels(folder, classes=len(names))
    rows = np.arange(len(scene)) if scene.report.rows is None else scene.report.rows.numpy()
    own = "pc_coord" not in labels
    semantic, instance = (labels.get(name) for name in _names(own))
    if own:
        places = scene.means.numpy()
        semantic, instance = (None if each is None else each[rows] for each in (semantic, instance))
    else:
        places = labels["pc_coord"]
        if places.shape[1:] != (3,) or places.dtype.kind not in "fiu" or not np.isfinite(places).all():
            got = f"{places.dtype} {list(places.shape)}"
            raise InputError(folder / "pc_coord.npy", expected="finite points of shape [P, 3]", got=got)
        places = scene.frame.from_file(places)
    truth = _truth(folder, places, semantic, instance, names)
    voters = _voters(folder, rows)
    return BenchmarkScene(name=folder.name, variant="splats", gaussians=scene, truth=truth, voters=voters, own=own)


def _voters(folder: Path, rows: np.ndarray) -> np.ndarray:
    """[N] bool, of the file's rows that were read: those a teacher saw, as the released testers have it, where the
    folder says so."""
    path = folder / "valid_feat_mask.npy"
    if not path.exists():
        return np.ones(len(rows), bool)
    seen, count = read_npy(path).reshape(-1) != 0, len(read_npy(folder / "coord.npy", mapped=True))
    if len(seen) != count:
        raise InputError(path, expected=f"{count} rows", got=len(seen))
    return seen[rows]


def _names(own: bool) -> tuple[str, str]:
    return ("segment", "instance") if own else ("pc_segment", "pc_instance")


def _of_points(folder: Path, names: Sequence[str]) -> BenchmarkScene:
    cloud, labels = read_npy_points(folder), read_npy_labels(folder, classes=len(names))
    scene = scene_of_points(cloud.points, cloud.colors, cloud.normals, where=folder)
    truth = _truth(folder, cloud.points, labels.get("segment"), labels.get("instance"), names)
    every = np.ones(len(scene), bool)
    return BenchmarkScene(name=folder.name, variant="points", gaussians=scene, truth=truth, voters=every, own=True)


def _of_boxes(folder: Path, names: Sequence[str]) -> BenchmarkScene:
    scene = read(folder)
    if scene.labels is None or scene.labels.instance is None:
        raise InputError(folder, expected="labels.json beside the splats", got="none")
    place = {_plain(name): number for number, name in enumerate(names)}
    ids = np.array([place.get(_plain(name), -1) for name in scene.labels.names] + [-1], np.int64)
    if not (ids >= 0).any():
        got = ", ".join(scene.labels.names) or "no object"
        raise InputError(folder, expected="objects of the labels' names", got=got, fix=_FIX)
    semantic, instance = ids[scene.labels.label.numpy()], scene.labels.instance.numpy()
    truth = _truth(folder, scene.means.numpy(), semantic, instance, names)
    every = np.ones(len(scene), bool)
    return BenchmarkScene(name=folder.name, variant="splats", gaussians=scene, truth=truth, voters=every, own=True)


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("_", " ").replace("-", " ").split())


def _truth(
    folder: Path, places: np.ndarray, semantic: np.ndarray | None, instance: np.ndarray | None, names: Sequence[str]
) -> TruthPoints:
    """instance: [P], negative for none (instance 0 is one), None where the data set has none."""
    if semantic is None:
        raise InputError(folder, expected="labels: pc_segment.npy or segment.npy", got="none")
    semantic = _whole(folder, semantic)
    if len(semantic) and int(semantic.max()) >= len(names):
        expected = f"class ids below {len(names)}, the number of labels"
        raise InputError(folder, expected=expected, got=int(semantic.max()), fix=_FIX)
    if not (semantic >= 0).any():
        raise InputError(folder, expected="labelled points", got="none")
    number = np.zeros(len(semantic), np.int64) if instance is None else _whole(folder, instance) + 1
    places = np.ascontiguousarray(places, np.float32)
    return TruthPoints(positions=places, semantic=np.maximum(semantic, -1), instance=np.maximum(number, 0))


def _whole(folder: Path, labels: np.ndarray) -> np.ndarray:
    """[P] int64 of labels that may be kept as floats."""
    if labels.dtype.kind not in "biuf" or not np.array_equal(labels, np.rint(labels)):
        raise InputError(folder, expected="labels that are whole numbers", got=str(labels.dtype))
    return labels.astype(np.int64)
