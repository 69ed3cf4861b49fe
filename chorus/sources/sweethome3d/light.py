"""Soft light: how bright and of which colour every surface point of a room is, cached in small cells.

Irradiance is computed once per cell (about 7 cm and a facing) from the same fixed set of directions everywhere, so it
is smooth over a surface, the same in every view and the same in every run: daylight through the openings, ceiling and
room lamps with soft shadows, and light from all around with one bounce, which gives ambient occlusion and colour
bleeding.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from chorus.sources.sweethome3d.assemble import RoomScene
from chorus.sources.sweethome3d.geometry import inside
from chorus.sources.sweethome3d.raycast import FAR, Tracer
from chorus.sources.sweethome3d.rows import dot, length, rows_of

CELL = 0.07  # m
_FACING = 0.22  # m that turning a normal by one radian counts for when neighbours are looked up
_DIRECTIONS = 48
_LIFT = 0.004  # m off the surface


@dataclass(frozen=True, kw_only=True)
class LightPreset:
    """Linear RGB strengths."""

    sky: tuple[float, float, float]  # through openings, and of the sky itself
    ceiling: tuple[float, float, float]  # an even ceiling light
    lamp: tuple[float, float, float]  # each lamp of the room
    ambient: float  # what surfaces out of sight send back


PRESETS = {
    "day": LightPreset(sky=(1.75, 1.85, 2.0), ceiling=(0.42, 0.41, 0.39), lamp=(0.0, 0.0, 0.0), ambient=0.62),
    "bright": LightPreset(sky=(2.6, 2.55, 2.4), ceiling=(0.30, 0.30, 0.29), lamp=(0.0, 0.0, 0.0), ambient=0.66),
    "dusk": LightPreset(sky=(0.55, 0.62, 0.85), ceiling=(0.34, 0.30, 0.24), lamp=(0.55, 0.45, 0.30), ambient=0.50),
    "evening": LightPreset(sky=(0.03, 0.04, 0.07), ceiling=(0.34, 0.26, 0.16), lamp=(0.75, 0.55, 0.32), ambient=0.42),
}


@dataclass(frozen=True, kw_only=True)
class LightCache:
    """N lit cells."""

    tree: cKDTree  # over (position, _FACING * normal) [N, 6]
    light: np.ndarray  # [N, 3] float32 irradiance; times albedo it is radiance

    def at(self, points: np.ndarray, normals: np.ndarray) -> np.ndarray:
        """[R, 3] irradiance at points [R, 3] with unit normals [R, 3], blended from the nearest cells."""
        distance, index = self.tree.query(
            np.concatenate([points, _FACING * normals], axis=1), k=min(6, len(self.light))
        )
        distance, index = (np.reshape(found, (len(points), -1)) for found in (distance, index))
        weight = np.exp(-((distance / CELL) ** 2)) + 1e-6
        weight /= weight.sum(1, keepdims=True)
        parts = [np.einsum("rk,rk->r", weight, channel.take(index)) for channel in rows_of(self.light)]
        return np.stack(parts, axis=1).astype(np.float32)


def light_cache(
    room: RoomScene,
    tracer: Tracer,
    albedo: np.ndarray,
    glow: np.ndarray,
    points: np.ndarray,
    normals: np.ndarray,
    *,
    preset: LightPreset,
) -> LightCache:
    """Light the cells that surface points [R, 3] with normals [R, 3] fall into.

    albedo [3, T] and glow [3, T]: mean linear colour and self-lighting of the triangles.
    """
    cells = _cells(points, normals)
    p, n = points[cells], normals[cells]
    lifted = p + _LIFT * n
    total = _all_around(tracer, albedo, glow, lifted, n, preset)
    for source, color, short in _sources(room, preset):
        total += _from_source(tracer, lifted, n, source, short)[:, None] * np.asarray(color)
    tree = cKDTree(np.concatenate([p, _FACING * n], axis=1), leafsize=32)
    _, near = tree.query(tree.data, k=min(5, len(p)))
    smooth = 0.5 * total + 0.5 * total[near.reshape(len(p), -1)].mean(1)
    return LightCache(tree=tree, light=smooth.astype(np.float32))


def _cells(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Index of one point for every occupied cell."""
    index = np.floor(points / CELL).astype(np.int64) + (1 << 15)
    axis = np.abs(normals).argmax(1)
    facing = axis * 2 + (np.take_along_axis(normals, axis[:, None], axis=1)[:, 0] > 0)
    key = ((index[:, 0] << 16 | index[:, 1]) << 16 | index[:, 2]) * 6 + facing
    return np.unique(key, return_index=True)[1]


def _hemisphere(count: int) -> np.ndarray:
    """[count, 3] directions about +z, cosine-weighted, evenly spread."""
    i = np.arange(count) + 0.5
    r, turn = np.sqrt(i / count), np.pi * (1 + 5**0.5) * i
    return np.stack([r * np.cos(turn), r * np.sin(turn), np.sqrt(1 - r**2)], axis=1)


def _frames(normals: np.ndarray) -> np.ndarray:
    """[N, 3, 3] columns: two tangents and the normal."""
    helper = np.where(np.abs(normals[:, 2:]) < 0.8, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    tangent = np.cross(helper, normals)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    return np.stack([tangent, np.cross(normals, tangent), normals], axis=2)


def _all_around(tracer: Tracer, albedo, glow, points, normals, preset: LightPreset) -> np.ndarray:
    """[N, 3] light gathered over the hemisphere: sky where nothing is hit, a bounce (darker when near) where something
    is."""
    around = _frames(normals).reshape(-1, 3) @ _hemisphere(_DIRECTIONS).T  # [3 N, D]
    directions = np.ascontiguousarray(around.reshape(-1, 3, _DIRECTIONS).transpose(0, 2, 1), np.float32)
    hits = tracer.first(np.repeat(points, _DIRECTIONS, axis=0), directions.reshape(-1, 3))
    open_sky = hits.distance >= FAR
    triangle = np.maximum(hits.triangle, 0)
    near = np.clip(hits.distance / 1.1, 0.0, 1.0)
    share = preset.ambient * (0.30 + 0.70 * np.sqrt(near)) * 1.25
    total = np.empty((len(points), 3))
    for c, (color, shine) in enumerate(zip(albedo, glow, strict=True)):
        bounce = color.take(triangle) * share + shine.take(triangle)
        total[:, c] = np.where(open_sky, 0.6 * preset.sky[c], bounce).reshape(-1, _DIRECTIONS).mean(1)
    return total


def _sources(room: RoomScene, preset: LightPreset):
    """(points [S, 3], colour, metres left free before the point) of every soft light; strengths sum over its points."""
    spots = _ceiling_spots(room)
    yield spots, np.asarray(preset.ceiling) * 2.6, 0.02
    for corners in room.panes:
        area = np.linalg.norm(corners[1] - corners[0]) * np.linalg.norm(corners[3] - corners[0])
        u, v = np.meshgrid([0.2, 0.5, 0.8], [0.2, 0.5, 0.8])
        grid = corners[0] + u.reshape(-1, 1) * (corners[1] - corners[0]) + v.reshape(-1, 1) * (corners[3] - corners[0])
        yield grid, np.asarray(preset.sky) * float(area) * 0.55, 0.22
    if max(preset.lamp) > 0:
        for lamp in room.lamps:
            yield lamp + _LAMP, np.asarray(preset.lamp) * 0.8, 0.30


_LAMP = np.array([[0.12, 0, 0], [-0.12, 0, 0.05], [0, 0.12, 0], [0, -0.12, 0.05]])


def _ceiling_spots(room: RoomScene) -> np.ndarray:
    """[S, 3] points spread under the ceiling."""
    low, high = room.outline.min(0), room.outline.max(0)
    counts = np.clip(np.rint((high - low) / 1.1), 2, 4).astype(int)
    axes = [low[k] + (np.arange(counts[k]) + 0.5) / counts[k] * (high - low)[k] for k in range(2)]
    grid = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    within = grid[inside(grid, room.outline)]
    grid = within if len(within) else room.outline.mean(0)[None]
    return np.concatenate([grid, np.full((len(grid), 1), max(room.height, 2.0) - 0.12)], axis=1)


def _from_source(tracer: Tracer, points, normals, source: np.ndarray, short: float) -> np.ndarray:
    """[N] mean over the source's points of visibility x cosine / (softened) squared distance."""
    total = np.zeros(len(points))
    points, normals = rows_of(points), rows_of(normals)
    for spot in source:
        away = spot[:, None] - points
        distance = length(away)
        cosine = dot(away, normals) / np.maximum(distance, 1e-6)
        facing = np.flatnonzero((cosine > 0.01) & (distance < 12.0))
        reach = np.maximum(distance[facing] - short, 0.01) / np.maximum(distance[facing], 1e-6)
        dark = tracer.blocked(points[:, facing].T, away[:, facing].T, reach=reach)
        lit = facing[~dark]
        total[lit] += cosine[lit] / (distance[lit] ** 2 + 0.35)
    return total / len(source)
