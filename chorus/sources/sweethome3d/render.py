"""Pictures, depth and labels of a room from chosen views."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chorus.cameras import Cameras, pixel_rays
from chorus.sources.sweethome3d.assemble import RoomScene
from chorus.sources.sweethome3d.light import LightCache, LightPreset, light_cache
from chorus.sources.sweethome3d.raycast import Hits, Tracer
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
    point: np.ndarray  # [R, 3]
    normal: np.ndarray  # [R, 3] towards the viewer
    uv: np.ndarray  # [R, 2]
    level: np.ndarray  # [R] mip level
    direction: np.ndarray  # [R, 3]


def render(room: RoomScene, tracer: Tracer, cameras: Cameras, *, preset: LightPreset) -> Rendered:
    """Render every view; edges are supersampled, textures filtered, light comes from one cache for all views."""
    bank = texture_bank(room.soup)
    coarse = [_trace(room, tracer, bank, cameras, v, *_centers(cameras, STEP)) for v in range(len(cameras))]
    points = np.concatenate([s.point[s.hit] for s in coarse])
    normals = np.concatenate([s.normal[s.hit] for s in coarse])
    cache = light_cache(room, tracer, bank.mean[room.soup.material], _glow(room, bank), points, normals, preset=preset)
    lights = np.split(cache.at(points, normals), np.cumsum([int(s.hit.sum()) for s in coarse])[:-1])
    frames = [
        _view(room, tracer, bank, cache, cameras, v, s, light, preset)
        for v, (s, light) in enumerate(zip(coarse, lights, strict=True))
    ]
    return Rendered(
        **{k: np.stack([f[i] for f in frames]) for i, k in enumerate(("radiance", "depth", "semantic", "instance"))}
    )


def _glow(room: RoomScene, bank: TextureBank) -> np.ndarray:
    """[T, 3] self-lighting of the triangles."""
    return bank.mean[room.soup.material] * bank.glow[room.soup.material][:, None]


def _centers(cameras: Cameras, step: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.arange(0, cameras.width, step) + step / 2, np.arange(0, cameras.height, step) + step / 2)
    return x.ravel(), y.ravel()


def _trace(room: RoomScene, tracer: Tracer, bank: TextureBank, cameras: Cameras, view: int, x, y) -> _Surface:
    """Shoot one ray through every image point."""
    pose = cameras.cam_from_world[view]
    direction = (pixel_rays(cameras.K[view], np.stack([x, y], axis=-1)) @ pose[:3, :3]).astype(np.float32)
    origin = (-pose[:3, :3].T @ pose[:3, 3]).astype(np.float32)
    hits = tracer.first(np.broadcast_to(origin, direction.shape), direction)
    return _surface(room, bank, hits, origin, direction, 1.0 / cameras.K[view, 0, 0])


def _surface(room: RoomScene, bank: TextureBank, hits: Hits, origin, direction, pixel: float) -> _Surface:
    soup = room.soup
    hit = hits.triangle >= 0
    triangle = np.maximum(hits.triangle, 0)
    weights = np.stack([1.0 - hits.u - hits.v, hits.u, hits.v], axis=1).astype(np.float32)
    normal = np.einsum("rk,rkc->rc", weights, soup.normals[triangle])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    length = np.linalg.norm(direction, axis=1)
    facing = np.einsum("rc,rc->r", normal, direction) / length
    normal *= np.where(facing > 0, -1.0, 1.0)[:, None].astype(np.float32)
    footprint = hits.distance * length * pixel / np.sqrt(np.maximum(np.abs(facing), 0.1))
    return _Surface(
        hit=hit,
        triangle=triangle,
        depth=hits.distance,
        point=origin + np.minimum(hits.distance, 100.0)[:, None] * direction,
        normal=normal,
        uv=np.einsum("rk,rkc->rc", weights, soup.uv[triangle]),
        level=np.log2(np.maximum(bank.density[triangle] * footprint, 1e-6)),
        direction=direction,
    )


def _view(
    room,
    tracer,
    bank,
    cache: LightCache,
    cameras: Cameras,
    view: int,
    coarse: _Surface,
    light: np.ndarray,
    preset: LightPreset,
):
    """(radiance, depth, semantic, instance) of one view."""
    h, w = cameras.height, cameras.width
    x, y = _centers(cameras, 1)
    full = _trace(room, tracer, bank, cameras, view, x, y)
    grid = np.zeros((len(coarse.hit), 3), np.float32)
    grid[coarse.hit] = light
    size = (-(-w // STEP), -(-h // STEP))

    def shade(surface, px, py):
        return _shade(room, bank, cache, surface, _interpolate(coarse, grid, size, surface, px, py), preset)

    radiance = shade(full, x, y)
    edge = np.flatnonzero(_edges(room, full, h, w))
    if len(edge):
        sub_x = (x[edge, None] - 0.5 + _SUBPIXELS[:, 0]).ravel()
        sub_y = (y[edge, None] - 0.5 + _SUBPIXELS[:, 1]).ravel()
        extra = shade(_trace(room, tracer, bank, cameras, view, sub_x, sub_y), sub_x, sub_y)
        radiance[edge] = np.minimum(extra, 1.5).reshape(-1, len(_SUBPIXELS), 3).mean(1)
    semantic = np.where(full.hit, room.soup.semantic[full.triangle], 0).astype(np.uint8)
    instance = np.where(full.hit, room.soup.instance[full.triangle], 0).astype(np.uint16)
    depth = np.where(full.hit, full.depth, 0.0).astype(np.float32)
    return radiance.reshape(h, w, 3), depth.reshape(h, w), semantic.reshape(h, w), instance.reshape(h, w)


def _edges(room: RoomScene, s: _Surface, h: int, w: int) -> np.ndarray:
    """[h * w] bool: pixels whose neighbour shows another thing, another side or another material."""
    thing = np.where(
        s.hit, room.soup.instance[s.triangle].astype(np.int64) * 4096 + room.soup.material[s.triangle] % 4096, -1
    ).reshape(h, w)
    normal = s.normal.reshape(h, w, 3)
    distance = 1.0 / np.maximum(s.depth.reshape(h, w), 1e-3)
    edge = np.zeros((h, w), bool)
    for a, b in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        jump = np.abs(distance[a] - distance[b]) > 0.06 * np.maximum(distance[a], distance[b])
        differs = (thing[a] != thing[b]) | ((normal[a] * normal[b]).sum(-1) < 0.9) | jump
        edge[a] |= differs
        edge[b] |= differs
    return edge.ravel()


def _interpolate(
    coarse: _Surface, light: np.ndarray, size: tuple[int, int], s: _Surface, x, y
) -> tuple[np.ndarray, np.ndarray]:
    """(irradiance [R, 3], trusted [R]): the four nearest coarse points, weighted by closeness on the same surface."""
    gx, gy = x / STEP - 0.5, y / STEP - 0.5
    x0, y0 = np.floor(gx).astype(np.int64), np.floor(gy).astype(np.int64)
    fx, fy = (gx - x0).astype(np.float32), (gy - y0).astype(np.float32)
    scale = 0.02 * s.depth + 0.01
    total, weights = np.zeros((len(gx), 3), np.float32), np.zeros(len(gx), np.float32)
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        index = np.clip(y0 + dy, 0, size[1] - 1) * size[0] + np.clip(x0 + dx, 0, size[0] - 1)
        near = (fx if dx else 1 - fx) * (fy if dy else 1 - fy) + 0.02
        turn = np.maximum(np.einsum("rc,rc->r", coarse.normal[index], s.normal), 0.0) ** 8
        plane = np.einsum("rc,rc->r", coarse.point[index] - s.point, s.normal) / scale
        weight = near * turn * np.exp(-(plane**2)) * coarse.hit[index]
        total += weight[:, None] * light[index]
        weights += weight
    return total / np.maximum(weights, 1e-9)[:, None], weights > 0.015


def _shade(
    room: RoomScene, bank: TextureBank, cache: LightCache, s: _Surface, interpolated, preset: LightPreset
) -> np.ndarray:
    """[R, 3] linear radiance."""
    light, trusted = interpolated
    rest = np.flatnonzero(s.hit & ~trusted)
    if len(rest):
        light[rest] = cache.at(s.point[rest], s.normal[rest])
    material = room.soup.material[s.triangle]
    color = bank.color(material, s.uv, s.level)
    glow = bank.glow[material][:, None]
    radiance = np.where(glow > 0, color * glow, color * light)
    return np.where(s.hit[:, None], radiance, _sky(s.direction, preset)).astype(np.float32)


def _sky(direction: np.ndarray, preset: LightPreset) -> np.ndarray:
    """[R, 3] paler towards the horizon."""
    up = np.clip(direction[:, 2] / np.linalg.norm(direction, axis=1), 0.0, 1.0)[:, None]
    return np.asarray(preset.sky) * 0.5 * ((1 - up) * np.array([1.0, 1.0, 1.0]) + up * np.array([0.55, 0.75, 1.0]))
