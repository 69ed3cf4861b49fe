"""Point clouds in .ply: positions, with colours and normals where the file has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chorus.errors import InputError
from chorus.io.ply_table import columns_of, names_of, read_table, write_table


@dataclass(frozen=True, kw_only=True)
class PointCloud:
    """P points, metres."""

    points: np.ndarray  # [P, 3] float32
    colors: np.ndarray | None = None  # [P, 3] uint8
    normals: np.ndarray | None = None  # [P, 3] float32, as the file has them


def read_points(path: Path) -> PointCloud:
    """Read a point-cloud .ply. Raises InputError when positions are absent or any value is not finite."""
    return cloud_of_table(path, read_table(path))


def cloud_of_table(path: Path, table: np.ndarray) -> PointCloud:
    """A point cloud from the rows [P] of a .ply; path: named in errors."""
    names = set(names_of(table))
    if not {"x", "y", "z"} <= names:
        raise InputError(path, expected="the properties x, y and z", got=", ".join(names_of(table)))
    if len(table) == 0:
        raise InputError(path, expected="at least one point", got="none")
    points = _finite(path, columns_of(table, ["x", "y", "z"]), "positions")
    colors = None
    if {"red", "green", "blue"} <= names:
        colors = _finite(path, columns_of(table, ["red", "green", "blue"]), "colors")
        colors = (
            colors * 255.0 if table.dtype["red"].kind == "f" and colors.max() <= 1.0 else colors
        )  # floats in [0, 1]
        colors = np.rint(np.clip(colors, 0.0, 255.0)).astype(np.uint8)
    normals = _finite(path, columns_of(table, ["nx", "ny", "nz"]), "normals") if {"nx", "ny", "nz"} <= names else None
    return PointCloud(points=points, colors=colors, normals=normals)


def is_bare(table: np.ndarray) -> bool:
    """Whether the rows of a .ply have positions and not one property of a Gaussian."""
    names = names_of(table)
    gaussian = ("f_dc", "opacity", "scale_", "rot_")
    return {"x", "y", "z"} <= set(names) and not any(name.startswith(gaussian) for name in names)


def write_points(path: Path, cloud: PointCloud) -> None:
    """Write a point cloud as binary .ply, with the colours and normals it has."""
    blocks = [
        (("x", "y", "z"), "f4", cloud.points),
        (("nx", "ny", "nz"), "f4", cloud.normals),
        (("red", "green", "blue"), "u1", cloud.colors),
    ]
    blocks = [block for block in blocks if block[2] is not None]
    table = np.empty(len(cloud.points), [(name, kind) for names, kind, _ in blocks for name in names])
    for names, _, values in blocks:
        for column, name in enumerate(names):
            table[name] = values[:, column]
    write_table(path, table)


def _finite(path: Path, values: np.ndarray, what: str) -> np.ndarray:
    bad = int((~np.isfinite(values)).any(axis=1).sum())
    if bad:
        raise InputError(path, expected=f"finite {what}", got=f"NaN or infinity in {bad} of {len(values)} points")
    return values
