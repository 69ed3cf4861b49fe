"""Pictures, depth and labels of a room from chosen views. Vectors of R rays are rows [3, R] (rows.py says why)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chorus.cameras import Cameras, pixel_rays
from chorus.sources.sweethome3d.assemble import RoomScene
from chorus.sources.sweethome3d.light import LightCache, LightPreset, light_cache
from chorus.sources.sweethome3d.raycast import Hits, Tracer
from chorus.sources.sweethome3d.rows import dot, length, rows_of, take
from chorus.sources.sweethome3d.texture_bank import TextureBank, texture_bank

STEP = 4  # pixels between the points where a view looks its light up; in between it is interpolated along surfaces
_SUBPIXELS = np.array([[0.125, 0.625], [0.375, 0.125], [0.625, 0.875], [0.875, 0.375]])


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """V views: linear radiance [V, H, W, 3] float32, depth [V, H, W] float32 (0: none), semantic uint8, instance
    uint16."""

    radiance: np.ndarray
    depth: np.ndarray
    semantic: np.ndarray
    instance: np.ndarray


@dataclass(frozen=True, kw_only=True)
class _Surface:
    """What R rays hit."""

    hit: np.ndarray  # [R] bool
    triangle: np.ndarray  # [R] 0 where nothing
    depth: np.ndarray  # [R] along the optical axis
    point: np.ndarray  # [3, R]
    normal: np.ndarray  # [3, R] towards the viewer
    uv: np.ndarray  # [2, R]
    level: np.ndarray  # [R] mip level
    direction: np.ndarray  # [3, R]


@dataclass(frozen=True, kw_only=True)
class _Scene:
    """A room made ready for many rays."""

    room: RoomScene
    tracer: Tracer
    bank: TextureBank
    normals: np.ndarray  # [9, T] of the corners of every triangle
    uv: np.ndarray  # [6, T]
    thing: np.ndarray  # [T] int64, one number for an item's parts of one material


@dataclass(frozen=True, kw_only=True)
class _Grid:
    """The light of one view, at every STEP-th pixel."""

    table: np.ndarray  # [10, G] normal, position, irradiance, 1 where something is
    columns: int
    rows: int


def render(room: RoomScene, tracer: Tracer, cameras: Cameras, *, preset: LightPreset) -> Rendered:
    """Render every view; edges are supersampled, textures filtered, light comes from one cache for all views."""
    scene = _scene(room, tracer)
    coarse = [_trace(scene, cameras, v, *_centers(cameras, STEP)) for v in range(len(cameras))]
    points, normals = (np.concatenate([getattr(s, name)[:, s.hit].T for s in coarse]) for name in ("point", "normal"))
    mean, glow = _lit_by_itself(scene)
    cache = light_cache(room, tracer, mean, glow, points, normals, preset=preset)
    lights = np.split(cache.at(points, normals), np.cumsum([int(s.hit.sum()) for s in coarse])[:-1])
    frames = [
        _view(scene, cache, cameras, v, _grid(cameras, s, light), preset)
        for v, (s, light) in enumerate(zip(coarse, lights, strict=True))
    ]
    return Rendered(
        **{k: np.stack([f[i] for f in frames]) for i, k in enumerate(("radiance", "depth", "semantic", "instance"))}
    )


def _scene(room: RoomScene, tracer: Tracer) -> _Scene:
    soup = room.soup
    return _Scene(
        room=room,
        tracer=tracer,
        bank=texture_bank(soup),
        normals=rows_of(soup.normals.reshape(-1, 9)),
        uv=rows_of(soup.uv.reshape(-1, 6)),
        thing=soup.instance.astype(np.int64) * 4096 + soup.material % 4096,
    )


def _lit_by_itself(scene: _Scene) -> tuple[np.ndarray, np.ndarray]:
    """Mean colour and self-lighting of the triangles, [3, T] both."""
    bank, material = scene.bank, scene.room.soup.material
    return take(rows_of(bank.mean), material), take(rows_of(bank.mean * bank.glow[:, None]), material)


def _centers(cameras: Cameras, step: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.arange(0, cameras.width, step) + step / 2, np.arange(0, cameras.height, step) + step / 2)
    return x.ravel(), y.ravel()


def _grid(cameras: Cameras, s: _Surface, light: np.ndarray) -> _Grid:
    table = np.zeros((10, len(s.hit)), np.float32)
    table[:3], table[3:6], table[9] = s.normal, s.point, s.hit
    table[6:9, s.hit] = light.T
    return _Grid(table=table, columns=-(-cameras.width // STEP), rows=-(-cameras.height // STEP))


def _trace(scene: _Scene, cameras: Cameras, view: int, x, y) -> _Surface:
    """Shoot one ray through every image point."""
    pose = cameras.cam_from_world[view]
    direction = (pixel_rays(cameras.K[view], np.stack([x, y], axis=-1)) @ pose[:3, :3]).astype(np.float32)
    origin = (-pose[:3, :3].T @ pose[:3, 3]).astype(np.float32)
    hits = scene.tracer.first(np.broadcast_to(origin, direction.shape), direction)
    return _surface(scene, hits, origin, rows_of(direction), 1.0 / cameras.K[view, 0, 0])


def _surface(scene: _Scene, hits: Hits, origin, direction: np.ndarray, pixel: float) -> _Surface:
    """direction: [3, R]; pixel: its size at distance 1."""
    triangle = np.maximum(hits.triangle, 0)
    weights = (1.0 - hits.u - hits.v, hits.u, hits.v)

    def blend(corners):  # [3 C, R] -> [C, R]
        a, b, c = np.split(corners, 3)
        return weights[0] * a + weights[1] * b + weights[2] * c

    normal = blend(take(scene.normals, triangle))
    normal /= np.maximum(length(normal), 1e-9)
    ray = length(direction)
    facing = dot(normal, direction) / ray
    normal *= np.where(facing > 0, np.float32(-1.0), np.float32(1.0))
    footprint = hits.distance * ray * np.float32(pixel) / np.sqrt(np.maximum(np.abs(facing), 0.1))
    return _Surface(
        hit=hits.triangle >= 0,
        triangle=triangle,
        depth=hits.distance,
        point=origin[:, None] + np.minimum(hits.distance, 100.0) * direction,
        normal=normal,
        uv=blend(take(scene.uv, triangle)),
        level=np.log2(np.maximum(scene.bank.density.take(triangle) * footprint, 1e-6)),
        direction=direction,
    )


def _view(scene: _Scene, cache: LightCache, cameras: Cameras, view: int, grid: _Grid, preset: LightPreset):
    """(radiance, depth, semantic, instance) of one view."""
    h, w = cameras.height, cameras.width
    x, y = _centers(cameras, 1)
    full = _trace(scene, cameras, view, x, y)
    radiance = _shade(scene, cache, full, _interpolate(grid, full, x, y), preset)
    edge = np.flatnonzero(_edges(scene, full, h, w))
    if len(edge):
        sub_x = (x[edge, None] - 0.5 + _SUBPIXELS[:, 0]).ravel()
        sub_y = (y[edge, None] - 0.5 + _SUBPIXELS[:, 1]).ravel()
        parts = _trace(scene, cameras, view, sub_x, sub_y)
        extra = _shade(scene, cache, parts, _interpolate(grid, parts, sub_x, sub_y), preset)
        radiance[:, edge] = np.minimum(extra, 1.5).reshape(3, -1, len(_SUBPIXELS)).mean(2)
    soup = scene.room.soup
    semantic = np.where(full.hit, soup.semantic.take(full.triangle), 0).astype(np.uint8)
    instance = np.where(full.hit, soup.instance.take(full.triangle), 0).astype(np.uint16)
    depth = np.where(full.hit, full.depth, 0.0).astype(np.float32)
    return radiance.T.reshape(h, w, 3), depth.reshape(h, w), semantic.reshape(h, w), instance.reshape(h, w)


def _edges(scene: _Scene, s: _Surface, h: int, w: int) -> np.ndarray:
    """[h * w] bool: pixels whose neighbour shows another thing, another side or another material."""
    thing = np.where(s.hit, scene.thing.take(s.triangle), -1).reshape(h, w)
    normal = s.normal.reshape(3, h, w)
    distance = 1.0 / np.maximum(s.depth.reshape(h, w), 1e-3)
    edge = np.zeros((h, w), bool)
    for a, b in ((np.s_[..., 1:], np.s_[..., :-1]), (np.s_[..., 1:, :], np.s_[..., :-1, :])):
        jump = np.abs(distance[a] - distance[b]) > 0.06 * np.maximum(distance[a], distance[b])
        turn = dot(normal[a], normal[b])
        differs = (thing[a] != thing[b]) | (turn < 0.9) | jump
        edge[a] |= differs
        edge[b] |= differs
    return edge.ravel()


def _interpolate(grid: _Grid, s: _Surface, x, y) -> tuple[np.ndarray, np.ndarray]:
    """(irradiance [3, R], trusted [R]): the four nearest grid points, weighted by closeness on the same surface."""
    gx, gy = x / STEP - 0.5, y / STEP - 0.5
    x0, y0 = np.floor(gx).astype(np.int64), np.floor(gy).astype(np.int64)
    fx, fy = (gx - x0).astype(np.float32), (gy - y0).astype(np.float32)
    scale = 0.02 * s.depth + 0.01
    total, weights = np.zeros((3, len(gx)), np.float32), np.zeros(len(gx), np.float32)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        index = np.clip(y0 + dy, 0, grid.rows - 1) * grid.columns + np.clip(x0 + dx, 0, grid.columns - 1)
        near = take(grid.table, index)
        turn = np.maximum(dot(near[:3], s.normal), 0.0) ** 8
        plane = dot(near[3:6] - s.point, s.normal) / scale
        weight = ((fx if dx else 1 - fx) * (fy if dy else 1 - fy) + 0.02) * turn * np.exp(-(plane**2)) * near[9]
        total += weight * near[6:9]
        weights += weight
    return total / np.maximum(weights, 1e-9), weights > 0.015


def _shade(scene: _Scene, cache: LightCache, s: _Surface, interpolated, preset: LightPreset) -> np.ndarray:
    """[3, R] linear radiance."""
    light, trusted = interpolated
    rest = np.flatnonzero(s.hit & ~trusted)
    if len(rest):
        light[:, rest] = cache.at(s.point[:, rest].T, s.normal[:, rest].T).T
    material = scene.room.soup.material.take(s.triangle)
    glow = scene.bank.glow.take(material)
    radiance = scene.bank.color(material, s.uv, s.level) * np.where(glow > 0, glow, light)
    nothing = np.flatnonzero(~s.hit)
    radiance[:, nothing] = _sky(s.direction[:, nothing], preset)
    return radiance


def _sky(direction: np.ndarray, preset: LightPreset) -> np.ndarray:
    """[3, R] paler towards the horizon."""
    up = np.clip(direction[2] / length(direction), 0.0, 1.0)
    tint = (1 - up) + up * np.array([[0.55], [0.75], [1.0]])
    return np.asarray(preset.sky)[:, None] * 0.5 * tint
