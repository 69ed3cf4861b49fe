"""InteriorGS: a folder with 3dgs_compressed.ply and labels.json, the oriented box of every object. z up, metres."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from chorus.errors import InputError
from chorus.io.ply import read_ply
from chorus.json_files import read_json
from chorus.scene import GaussianScene, SplatLabels

SPLATS, LABELS = "3dgs_compressed.ply", "labels.json"
_EDGE = 1e-6  # of a box's side


def is_interior_gs(folder: Path) -> bool:
    return (Path(folder) / SPLATS).is_file()


def read_interior_gs(folder: Path) -> GaussianScene:
    """A scene of InteriorGS; a Gaussian bears the label of the smallest box that holds its centre, -1 where none does.

    Raises InputError for boxes that are not eight corners.
    """
    folder = Path(folder)
    scene = read_ply(folder / SPLATS)
    scene = replace(scene, report=replace(scene.report, up=(0.0, 0.0, 1.0), unit=1.0))
    if not (folder / LABELS).is_file():
        return scene
    items = read_json(folder / LABELS)
    if not isinstance(items, list):
        raise InputError(folder / LABELS, expected="a list of objects", got=items)
    boxes = [_box(folder / LABELS, item) for item in items if isinstance(item, dict) and item.get("bounding_box")]
    names = tuple(sorted({name for name, _, _ in boxes}))
    label = torch.full((len(scene),), -1, dtype=torch.int32)
    instance = label.clone()
    means = scene.frame.to_file(scene.means.numpy())
    boxes.sort(key=lambda box: -abs(np.linalg.det(np.diff(box[2], axis=0))))
    for name, number, frame in boxes:  # a smaller box is written over a larger one
        inside = torch.from_numpy(_inside(means, frame))
        label[inside], instance[inside] = names.index(name), number
    return replace(scene, labels=SplatLabels(label=label, instance=instance, names=names))


def _box(path: Path, item: dict) -> tuple[str, int, np.ndarray]:
    """(label, instance, [4, 3] a corner and its three neighbours)."""
    try:
        corners = np.array([[corner[axis] for axis in "xyz"] for corner in item["bounding_box"]], np.float64)
        name, number = str(item["label"]), int(item["ins_id"])
        if abs(number) >= 2**31:
            raise ValueError(f"ins_id {number}")
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(path, expected="objects with ins_id, label and bounding_box", got=repr(error)) from error
    if corners.shape != (8, 3) or not np.isfinite(corners).all():
        raise InputError(path, expected="eight finite corners", got=f"{list(corners.shape)} of {name}")
    return name, number, _corner_frame(corners)


def _corner_frame(corners: np.ndarray) -> np.ndarray:
    """[4, 3] the first corner and those its edges lead to, whatever the order of the eight: the three nearest ones that
    span the box."""
    order = np.argsort(np.linalg.norm(corners - corners[0], axis=1), kind="stable")
    chosen = [order[0]]
    for corner in order[1:]:
        edges = corners[[*chosen, corner]][1:] - corners[0]
        lengths = np.linalg.norm(edges, axis=1)
        if (lengths > 0).all() and np.linalg.matrix_rank(edges / lengths[:, None], tol=1e-4) == len(edges):
            chosen.append(corner)
        if len(chosen) == 4:
            break
    return corners[chosen] if len(chosen) == 4 else np.zeros((4, 3))


def _inside(points: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """[N] bool: points [N, 3] in the box of a corner and its neighbours [4, 3]."""
    edges = frame[1:] - frame[0]
    if abs(np.linalg.det(edges)) < 1e-12:
        return np.zeros(len(points), bool)
    shares = (points - frame[0]) @ np.linalg.inv(edges)
    return ((shares >= -_EDGE) & (shares <= 1 + _EDGE)).all(axis=1)
