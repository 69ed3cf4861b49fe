"""How long a unit is where nothing says so: from the height people hold cameras at, and the height of rooms.

Doors would tell it better, but what tells a door from a wardrobe or a window is a model that reads metres: of the room
that ships, halved to doubled, what answers "a door" comes out between 0.8 and 1.9 of the room's own metres high.

Both need a floor that is seen. A camera held by someone who walks is 1.45 m above it, give or take a fifth (chest to
eyes, of adults); a room is 2.5 m high, likewise. Cameras that circle an object tell nothing: it may stand on a table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ROOM_HEIGHT, EYE_HEIGHT = 2.5, 1.45  # metres
SPREAD = 0.2  # relative standard deviation of either
_BIN = 0.015  # of the scene's radius: the thickness of a level surface
_LEVEL = 0.015  # share of the points that a floor or ceiling holds at least
_STANDS_OUT = 1.5  # times what lies just above it
_BELOW = 0.02  # share of the points that may lie under a floor, at most
_STEADY = 0.35  # relative spread of the heights of a camera that is carried along
_EYE_IN_ROOM = (0.35, 0.85)  # of the room's height: where a camera that is held may be
_CIRCLES = 0.25  # of their distance from it: how near to one point the axes of cameras pass that look at an object
_TURNED = np.cos(np.radians(30.0))  # length of the mean axis, below which cameras look different ways
_ENDLESS = 1e6  # bins between the lowest and the highest point: no room
_ENOUGH = 200  # points


class Size(NamedTuple):
    """meters: of one unit; error: its relative standard deviation; what: the evidence."""

    meters: float
    error: float
    what: str


def size_of(points: np.ndarray, positions: np.ndarray, axes: np.ndarray) -> Size | None:
    """The unit of a world of points [P, 3], cameras at positions [V, 3] that look along axes [V, 3], z up; None where
    no floor tells it."""
    if len(points) < _ENOUGH:
        return None
    radius = float(np.median(np.linalg.norm(points - np.median(points, axis=0), axis=1)))
    floor = lowest_level(points[:, 2], radius)
    if floor is None:
        return None
    eyes = positions[:, 2] - floor
    eye = float(np.median(eyes))
    if eye <= 0 or np.percentile(eyes, 10) < 0.2 * eye:  # no floor: cameras go below it
        return None
    carried = np.subtract(*np.percentile(eyes, [90, 10])) < _STEADY * eye and not circles(positions, axes)
    ceiling = lowest_level(-points[:, 2], radius)
    height = None if ceiling is None else -ceiling - floor
    if height is not None and _EYE_IN_ROOM[0] < eye / height < _EYE_IN_ROOM[1]:
        if not carried:
            return Size(ROOM_HEIGHT / height, SPREAD, "the room's height")
        both = np.exp(0.5 * (np.log(ROOM_HEIGHT / height) + np.log(EYE_HEIGHT / eye)))
        return Size(float(both), SPREAD / np.sqrt(2), "the room's height and that of the cameras over the floor")
    return Size(EYE_HEIGHT / eye, SPREAD, "the height of the cameras over the floor") if carried else None


def lowest_level(heights: np.ndarray, radius: float) -> float | None:
    """The lowest level surface among heights [P] of a scene of this radius, with hardly anything below it; None where
    there is none."""
    width = _BIN * radius
    low, high = np.percentile(heights, [0.2, 99.8])
    if not 10 * width <= high - low < _ENDLESS * width:
        return None
    counts, edges = np.histogram(heights, np.arange(low - 3 * width, high + 3 * width, width))
    double = counts[:-1] + counts[1:]  # a surface may lie across the border of two bins
    for level in np.flatnonzero(edges[:-2] < 0.5 * (low + high)):
        above = double[level + 3 : level + 10]
        stands_out = double[level] > _STANDS_OUT * np.median(above) if len(above) else False
        peak = double[level] == double[max(0, level - 2) : level + 3].max()
        if peak and stands_out and double[level] > _LEVEL * len(heights):
            under = counts[: max(0, level - 1)].sum()
            at = heights[(heights >= edges[level]) & (heights <= edges[level + 2])]
            return float(np.median(at)) if under < _BELOW * len(heights) else None
    return None


def circles(positions: np.ndarray, axes: np.ndarray) -> bool:
    """Whether cameras that look different ways all look at one thing: their axes meet near one point before them."""
    if np.linalg.norm(axes.mean(axis=0)) > _TURNED:
        return False
    across = np.eye(3) - axes[:, :, None] * axes[:, None, :]  # [V, 3, 3] removes what lies along an axis
    point = np.linalg.lstsq(across.sum(axis=0), (across @ positions[:, :, None]).sum(axis=0)[:, 0], rcond=None)[0]
    away = point - positions
    along = (away * axes).sum(axis=1)
    off = np.linalg.norm(away - along[:, None] * axes, axis=1)
    return bool(np.median(along) > 0 and np.median(off) < _CIRCLES * np.median(np.linalg.norm(away, axis=1)))
