"""Plane geometry: polygons and their triangles."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def inside(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """[N] bool: points [N, 2] inside a simple polygon [P, 2] (even-odd rule)."""
    x, y = points[:, 0, None], points[:, 1, None]
    x0, y0 = polygon.T
    x1, y1 = np.roll(polygon, -1, axis=0).T
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return crossing.sum(1) % 2 == 1


def distance_to_edges(points: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    """[N] distance of points [N, 2] to the outline of a polygon [P, 2]."""
    a, b = polygon, np.roll(polygon, -1, axis=0)
    ab = b - a
    length = np.maximum((ab**2).sum(1), 1e-12)
    t = np.clip(((points[:, None] - a) * ab).sum(2) / length, 0.0, 1.0)
    return np.linalg.norm(points[:, None] - (a + t[..., None] * ab), axis=2).min(1)


def signed_area(polygon: np.ndarray) -> float:
    """Positive when counter-clockwise."""
    x, y = polygon.T
    return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))


def triangulate(polygon: np.ndarray) -> np.ndarray:
    """[T, 3] vertex indices of a simple polygon [P, 2], counter-clockwise, by cutting ears."""
    return _triangulate(np.ascontiguousarray(polygon, np.float64).tobytes()).copy()


@lru_cache(maxsize=4096)  # every room of a home has the same floors and ceilings around it
def _triangulate(outline: bytes) -> np.ndarray:
    polygon = np.frombuffer(outline).reshape(-1, 2)
    left = list(range(len(polygon)))
    if signed_area(polygon) < 0:
        left.reverse()
    triangles = []
    while len(left) > 3:
        ear = _find_ear(polygon, left)
        triangles.append([left[ear - 1], left[ear], left[(ear + 1) % len(left)]])
        left.pop(ear)
    triangles.append(left)
    return np.array(triangles, np.int64)


def _find_ear(polygon: np.ndarray, left: list[int]) -> int:
    """Position in ``left`` of the fattest ear; the first vertex when rounding leaves none."""
    b = polygon[left]  # [P, 2]
    a, c = np.roll(b, 1, axis=0), np.roll(b, -1, axis=0)
    twice = _cross(b - a, c - a)
    others = np.ones((len(left), len(left)), bool)  # [ear, vertex]
    for step in (-1, 0, 1):
        others[np.arange(len(left)), (np.arange(len(left)) + step) % len(left)] = False
    for start, end in ((a, b), (b, c), (c, a)):
        others &= _cross((end - start)[:, None], b - start[:, None]) > 1e-12
    sides = [np.hypot(*side.T) for side in (c - a, b - a, c - b)]
    height = np.where((twice < 0) | others.any(1), -1.0, twice / np.maximum(np.max(sides, axis=0), 1e-12))
    return int(height.argmax())


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """z of the cross product of vectors [..., 2]."""
    return _cross(np.asarray(u), np.asarray(v))


def left_of(u: np.ndarray) -> np.ndarray:
    """[..., 2] turned 90 degrees counter-clockwise."""
    return np.stack([-u[..., 1], u[..., 0]], axis=-1)
