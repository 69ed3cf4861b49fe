"""Sparse and dense clouds beside photos, in doubles: surveyors' coordinates lie far from the origin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chorus.axes import ROUGH, coarseness
from chorus.errors import InputError
from chorus.io.ply_table import names_of, read_table
from chorus.io.points import RGB, colors_of

_NOWHERE = 1e12  # of any unit: squares of what is less fit into single precision


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """Points of the scene in the file's frame."""

    points: np.ndarray  # [P, 3] float64
    colors: np.ndarray | None = None  # [P, 3] uint8


def read_cloud(path: Path) -> tuple[Cloud | None, str]:
    """The points of a .ply and a line on what was left out of it; None where it holds none.

    Raises InputError when the file cannot be read or has no positions.
    """
    table = read_table(path)
    names = set(names_of(table))
    if not {"x", "y", "z"} <= names:
        raise InputError(path, expected="the properties x, y and z", got=", ".join(names_of(table)))
    if len(table) == 0:
        return None, f"{path.name} holds no points: they are triangulated from the photos"
    points = np.stack([table[axis] for axis in "xyz"], axis=1).astype(np.float64)
    keep = usable(points)
    if keep.any() and (step := coarseness(points[keep])) > ROUGH:
        return None, (
            f"{path.name} holds single floats far from their origin, rounded to {step:.1%} of the scene: points are "
            "triangulated from the photos instead"
        )
    colors = np.rint(255.0 * colors_of(table)[keep]).astype(np.uint8) if set(RGB) <= names else None
    note = "" if keep.all() else left_out(path.name, keep)
    return (Cloud(points=points[keep], colors=colors), note) if keep.any() else (None, note)


def usable(points: np.ndarray) -> np.ndarray:
    """[P] bool: points [P, 3] that lie anywhere."""
    return np.asarray((np.abs(points) < _NOWHERE).all(axis=1))  # NaN is not


def left_out(name: str, keep: np.ndarray) -> str:
    """The line on the points [P] that are not kept."""
    return f"{name}: {int((~keep).sum())} of {len(keep)} points are not finite and left out"
