"""How the surfaces of a generated room look: more kinds of floors and walls than a designed home has, in a wider
range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chorus.sources.rooms import patterns
from chorus.sources.sweethome3d import textures
from chorus.sources.sweethome3d.finishes import Finish, Surface
from chorus.sources.sweethome3d.mesh import Material

_WOOD = ((0.03, 0.12),)
_MUTED = ((0.03, 0.16), (0.25, 0.45), (0.5, 0.66), (0.95, 1.0))  # what people paint a whole room in
_BRICK = ((0.0, 0.08),)
Draw = Callable[..., tuple[np.ndarray, float]]


def draw_finish(rng: np.random.Generator, kind: str) -> Finish:
    """The surfaces of a room of a kind."""
    wet = kind in ("bathroom", "kitchen")
    wall = _wall(rng, kind)
    return Finish(
        floor=_floor(rng, wet),
        wall=wall,
        accent=_wall(rng, kind) if rng.random() < 0.3 else wall,
        accent_angle=float(rng.integers(4)) * np.pi / 2,
        ceiling=_ceiling(rng),
        skirting=_skirting(rng, wall),
    )


def _floor(rng: np.random.Generator, wet: bool) -> Surface:
    kinds: list[tuple[float, Draw, tuple, tuple, tuple | None]] = [
        (0.5 if wet else 0.08, textures.tiles, (0.25, 0.9), (0.0, 0.35), None),
        (0.15 if wet else 0.04, patterns.marble, (0.35, 0.92), (0.0, 0.25), None),
        (0.1, patterns.concrete, (0.35, 0.75), (0.0, 0.12), None),
        (0.2 if wet else 0.42, textures.planks, (0.2, 0.88), (0.1, 0.65), _WOOD),
        (0.03 if wet else 0.16, patterns.herringbone, (0.25, 0.8), (0.2, 0.6), _WOOD),
        (0.0 if wet else 0.2, textures.carpet, (0.2, 0.85), (0.0, 0.55), None),
    ]
    return _one_of(rng, kinds, turned=bool(rng.random() < 0.5))


def _wall(rng: np.random.Generator, kind: str) -> Surface:
    tiled = {"bathroom": 0.55, "kitchen": 0.12}.get(kind, 0.0)
    kinds: list[tuple[float, Draw, tuple, tuple, tuple | None]] = [
        (tiled, _small_tiles, (0.35, 0.97), (0.0, 0.45), None),
        (0.42, textures.plaster, (0.78, 0.98), (0.0, 0.10), None),
        (0.2, textures.plaster, (0.6, 0.95), (0.04, 0.22), None),
        (0.14, textures.plaster, (0.35, 0.9), (0.15, 0.5), _MUTED),
        (0.08, textures.stripes, (0.6, 0.92), (0.05, 0.4), None),
        (0.1, patterns.wallpaper, (0.5, 0.92), (0.05, 0.45), None),
        (0.05, patterns.bricks, (0.45, 0.85), (0.15, 0.6), _BRICK),
        (0.05, patterns.concrete, (0.5, 0.8), (0.0, 0.1), None),
        (0.03, textures.planks, (0.5, 0.9), (0.1, 0.5), _WOOD),
    ]
    return _one_of(rng, kinds)


def _small_tiles(rng: np.random.Generator, color) -> tuple[np.ndarray, float]:
    return textures.tiles(rng, color, count=int(rng.integers(4, 10)), side=(0.05, 0.3))


def _ceiling(rng: np.random.Generator) -> Surface:
    if rng.random() < 0.08:
        return _textured(textures.planks(rng, textures.paint(rng, value=(0.4, 0.9), saturation=(0.1, 0.5), hues=_WOOD)))
    return _textured(textures.plaster(rng, textures.paint(rng, value=(0.8, 0.98), saturation=(0.0, 0.08))))


def _skirting(rng: np.random.Generator, wall: Surface) -> Surface:
    if rng.random() < 0.15:
        return wall
    light = rng.random() < 0.65
    color = textures.paint(
        rng, value=(0.8, 0.97) if light else (0.2, 0.7), saturation=(0, 0.05) if light else (0.2, 0.6)
    )
    return Surface(material=Material(color=(float(color[0]), float(color[1]), float(color[2]))), meters=1.0)


def _one_of(rng: np.random.Generator, kinds, *, turned: bool = False) -> Surface:
    """A surface of one of (weight, texture, value range, saturation range, hues)."""
    weights = np.array([k[0] for k in kinds])
    _, draw, value, saturation, hues = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    return _textured(draw(rng, textures.paint(rng, value=value, saturation=saturation, hues=hues)), turned=turned)


def _textured(drawn: tuple[np.ndarray, float], *, turned: bool = False) -> Surface:
    texture, meters = drawn
    return Surface(material=Material(color=(1.0, 1.0, 1.0), texture=texture), meters=meters, turned=turned)
