"""Point clouds in .ply: positions, with colours and normals where the file has them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from chorus.errors import InputError
from chorus.io.ply_table import columns_of, names_of, read_table, write_table
from chorus.scene import ReadReport

RGB = ["red", "green", "blue"]
_POSITIONS, _NORMALS = ["x", "y", "z"], ["nx", "ny", "nz"]


@dataclass(frozen=True, kw_only=True)
class PointCloud:
    """P points, metres. report: what reading their file left out, and what it says of its frame."""

    points: np.ndarray  # [P, 3] float32, float64 where the file has doubles
    colors: np.ndarray | None = None  # [P, 3] uint8
    normals: np.ndarray | None = None  # [P, 3] float32, as the file has them
    report: ReadReport = ReadReport()


def read_points(path: Path) -> PointCloud:
    """Read a point-cloud .ply. Raises InputError when positions are absent or no point is finite."""
    return cloud_of_table(path, read_table(path))


def cloud_of_table(path: Path, table: np.ndarray) -> PointCloud:
    """A point cloud from the rows [P] of a .ply, those that are not finite left out and counted; path: named in
    errors."""
    names = set(names_of(table))
    if not set(_POSITIONS) <= names:
        raise InputError(path, expected="the properties x, y and z", got=", ".join(names_of(table)))
    if len(table) == 0:
        raise InputError(path, expected="at least one point", got="none")
    points = columns_of(table, _POSITIONS, wide(table, _POSITIONS))
    kept, notes = np.asarray(np.isfinite(points).all(axis=1)), []
    if not kept.any():
        raise InputError(path, expected="finite positions", got=f"NaN or infinity in all {len(points)} points")
    if not kept.all():
        notes.append(f"{int((~kept).sum())} of {len(kept)} points left out: NaN or infinite positions")
    colors = colors_of(table)[kept] if set(RGB) <= names else None
    normals = columns_of(table, _NORMALS)[kept] if set(_NORMALS) <= names else None
    if normals is not None and not (np.linalg.norm(normals, axis=1) > 0).all():  # NaN is not
        normals = None
        notes.append("normals left out: some are zero or not finite; they are estimated from the points")
    rows = None if kept.all() else torch.from_numpy(np.flatnonzero(kept))
    return PointCloud(
        points=points[kept],
        colors=None if colors is None else np.rint(colors * 255.0).astype(np.uint8),
        normals=normals,
        report=ReadReport(total=len(table), rows=rows, notes=tuple(notes)),
    )


def colors_of(table: np.ndarray) -> np.ndarray:
    """[N, 3] float32 in 0..1 of the columns red, green and blue: whole numbers to 255 or, where one is beyond it,
    65535; floats to 1 or 255. What is not finite is black."""
    colors = np.nan_to_num(columns_of(table, RGB), posinf=0.0, neginf=0.0)
    most = colors.max(initial=0.0)
    if table.dtype[RGB[0]].kind in "iu":
        top = 65535.0 if most > 255 else 255.0
    else:
        top = 1.0 if most <= 1.0 else 255.0 if most <= 255.0 else 65535.0
    return (colors / top).clip(0.0, 1.0)


def wide(table: np.ndarray, names: list[str]) -> str:
    """The type that holds every one of these columns: doubles, unless all are single floats."""
    return "f4" if all(table.dtype[name].str[1:] == "f4" for name in names) else "f8"


def is_bare(table: np.ndarray) -> bool:
    """Whether the rows of a .ply have positions and not one property of a Gaussian."""
    names = names_of(table)
    gaussian = ("f_dc", "opacity", "scale_", "rot_")
    return {"x", "y", "z"} <= set(names) and not any(name.startswith(gaussian) for name in names)


def write_points(path: Path, cloud: PointCloud) -> None:
    """Write a point cloud as binary .ply, with the colours and normals it has."""
    blocks = [
        (_POSITIONS, cloud.points.dtype.str[1:], cloud.points),
        (_NORMALS, "f4", cloud.normals),
        (RGB, "u1", cloud.colors),
    ]
    blocks = [block for block in blocks if block[2] is not None]
    table = np.empty(len(cloud.points), [(name, kind) for names, kind, _ in blocks for name in names])
    for names, _, values in blocks:
        for column, name in enumerate(names):
            table[name] = values[:, column]
    write_table(path, table)
