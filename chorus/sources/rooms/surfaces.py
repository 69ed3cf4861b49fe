"""Where things can stand on or in a model: its level surfaces, found by rays shot down through it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chorus.sources.sweethome3d.mesh import face_normals
from chorus.sources.sweethome3d.models import Model
from chorus.sources.sweethome3d.raycast import Tracer

GRID = 40  # rays a side
_LAYERS = 14  # surfaces looked for below each other
_STEP = 2e-3  # of the height, past a surface that was hit
_LEVEL = 0.012  # of the height within which hits are one surface


@dataclass(frozen=True, kw_only=True)
class Surface:
    """One level of a model in the unit cube [-0.5, 0.5]^3."""

    z: float
    free: np.ndarray  # [GRID, GRID] height left free above each cell of (x, y), 0 where the surface is not; inf: open


def surfaces(model: Model) -> list[Surface]:
    """Levels that hold at least a twelfth of the footprint, the highest first."""
    height, above, upward = _hits(model)
    found = []
    solid = np.isfinite(height) & upward & (above > 0.03)
    heights = height[solid]
    while len(heights):
        counts, edges = np.histogram(heights, bins=np.arange(-0.5, 0.52, _LEVEL))
        best = int(counts.argmax())
        if counts[best] < GRID * GRID / 12:
            break
        z = float(np.median(heights[(heights >= edges[best]) & (heights <= edges[best + 1])]))
        here = solid & (np.abs(height - z) < _LEVEL)
        found.append(Surface(z=z, free=np.where(here, above, 0.0).max(0)))
        heights = heights[np.abs(heights - z) >= _LEVEL]
    return sorted(found, key=lambda s: -s.z)


def _hits(model: Model) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Along every vertical line, from the top: z of each hit, the free height above it, whether it faces upwards;
    [_LAYERS, GRID, GRID]."""
    tracer = Tracer(model.corners)
    level = np.abs(face_normals(model.corners)[:, 2]) > 0.95
    axis = (np.arange(GRID) + 0.5) / GRID - 0.5
    x, y = np.meshgrid(axis, axis, indexing="ij")
    start = np.stack([x.ravel(), y.ravel(), np.full(x.size, 0.51)], axis=1)
    down = np.broadcast_to(np.array([0.0, 0.0, -1.0]), start.shape)
    height = np.full((_LAYERS, x.size), np.nan)
    above, upward = np.zeros((_LAYERS, x.size)), np.zeros((_LAYERS, x.size), bool)
    last = np.full(x.size, np.inf)
    for layer in range(_LAYERS):
        hits = tracer.first(start, down)
        hit = hits.triangle >= 0
        z = start[:, 2] - hits.distance
        height[layer, hit], above[layer, hit] = z[hit], (last - z)[hit]
        upward[layer, hit] = level[hits.triangle[hit]]
        last = np.where(hit, z, last)
        start[:, 2] = np.where(hit, z - _STEP, -1.0)
        if not hit.any():
            break
    shape = (_LAYERS, GRID, GRID)
    return height.reshape(shape), above.reshape(shape), upward.reshape(shape)


def room_on(surface: Surface, size: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """[N, 2] places (x, y in metres of the model's own frame) where the middle of a thing may stand.

    size [3] of the model and ``wanted`` [3] of the thing in metres, both along the model's axes.
    """
    height = wanted[2] / size[2]
    enough = np.concatenate([np.zeros((GRID, 1)), (surface.free > height).cumsum(1)], axis=1)
    total = np.concatenate([np.zeros((1, GRID + 1)), enough.cumsum(0)])
    cells = np.ceil(wanted[:2] / size[:2] * GRID - 1e-9).astype(int)
    if (cells > GRID).any() or (cells < 1).any():
        return np.zeros((0, 2))
    a, b = cells
    inside = total[a:, b:] - total[:-a, b:] - total[a:, :-b] + total[:-a, :-b]
    i, j = np.nonzero(inside >= a * b)
    middle = np.stack([(i + a / 2) / GRID - 0.5, (j + b / 2) / GRID - 0.5], axis=1)
    return middle * size[:2]
