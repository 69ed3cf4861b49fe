"""Models drawn here of boxes: kinds of which the libraries have one or none that a room can hold."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from chorus.sources.rooms import patterns
from chorus.sources.sweethome3d.mesh import Material
from chorus.sources.sweethome3d.models import Model
from chorus.sources.sweethome3d.own_models import boxes_model
from chorus.sources.sweethome3d.textures import paint

DRAWN = "drawn"
SIZES = {
    "stairs": (0.95, 3.3, 3.7),
    "shower": (0.90, 0.90, 2.05),
    "board": (1.6, 0.42, 0.42),
    "sideboard": (1.4, 0.42, 0.55),
    "rug": (2.0, 1.4, 0.012),
    "picture": (0.6, 0.03, 0.45),
    "mirror": (0.6, 0.03, 0.8),
    **{f"books-{i}": (0.22 + 0.05 * i, 0.18, 0.26) for i in range(6)},
}  # m: width, depth, height
_STEPS = 16


def drawn_model(name: str, rng: np.random.Generator) -> Model:
    """The model of that name of SIZES, in the unit cube like every model; rugs and pictures with a pattern from
    ``rng``. Its front is -y."""
    if name == "rug":
        return _patterned(_plain_model(name), patterns.rug(rng), up=True)
    return _patterned(_plain_model(name), patterns.picture(rng), up=False) if name == "picture" else _plain_model(name)


def _patterned(model: Model, pattern: np.ndarray, *, up: bool) -> Model:
    """The model with a pattern over the whole of its second material, seen from above or from the front."""
    uv = (model.corners[..., [0, 1]] if up else model.corners[..., [0, 2]]) + 0.5
    first, second = model.materials
    return replace(model, uv=uv.astype(np.float32), materials=(first, replace(second, texture=pattern)))


@functools.cache
def _plain_model(name: str) -> Model:
    makers = {
        "stairs": _stairs,
        "shower": _shower,
        "board": _board,
        "sideboard": _sideboard,
        "rug": _rug,
        "picture": _picture,
        "mirror": _mirror,
    }
    parts, materials = makers[name]() if name in makers else _books(int(name.partition("-")[2]))
    return boxes_model(parts, materials, np.array(SIZES[name]))


def _stairs():
    """A straight flight of open steps between two strings, a rail at its side; it climbs towards the back."""
    wide, deep, tall = SIZES["stairs"]
    rise, going = 2.8 / _STEPS, deep / _STEPS
    parts = []
    for k in range(_STEPS):
        y, z = -deep / 2 + k * going, (k + 1) * rise
        parts.append(((-wide / 2, y, z - 0.045), (wide / 2, y + going + 0.03 * (k < _STEPS - 1), z), 0))
        for x in (-wide / 2, wide / 2 - 0.04):
            parts.append(((x, y, max(z - 0.30, 0.0)), (x + 0.04, y + going, z - 0.045), 1))
        parts.append(((wide / 2 - 0.04, y + 0.1, z), (wide / 2, y + 0.13, z + 0.86), 2))
        parts.append(((wide / 2 - 0.05, y, z + 0.86), (wide / 2, y + going, z + 0.9 + rise * 0.0), 1))
    return parts, (
        Material(color=(0.62, 0.44, 0.27), name="step"),
        Material(color=(0.50, 0.34, 0.20), name="string"),
        Material(color=(0.82, 0.82, 0.80), name="baluster"),
    )


def _shower():
    """A tray with glass on two sides, steel posts, a riser with its head and a mixer at the back."""
    h = 0.45
    parts = [
        ((-h, -h, 0.0), (h, h, 0.10), 0),
        ((-h, -h, 0.10), (-h + 0.012, h, 1.95), 1),
        ((-h, -h, 0.10), (-0.05, -h + 0.012, 1.95), 1),
        ((-h, -h, 1.95), (h, -h + 0.03, 1.98), 2),
        ((-h, -h, 1.95), (-h + 0.03, h, 1.98), 2),
        ((h - 0.03, -h, 0.10), (h, -h + 0.03, 1.95), 2),
        ((-0.015, h - 0.07, 0.9), (0.015, h - 0.04, 2.02), 2),
        ((-0.015, h - 0.30, 2.0), (0.015, h - 0.04, 2.02), 2),
        ((-0.11, h - 0.40, 1.97), (0.11, h - 0.18, 2.0), 2),
        ((-0.13, h - 0.10, 1.05), (0.13, h - 0.02, 1.10), 2),
        ((-0.05, -0.05, 0.10), (0.05, 0.05, 0.105), 2),
        ((h - 0.02, h - 0.02, 2.0), (h, h, 2.05), 2),
    ]
    return parts, (
        Material(color=(0.92, 0.92, 0.92), name="ceramic"),
        Material(color=(0.80, 0.88, 0.88), name="glass"),
        Material(color=(0.70, 0.71, 0.73), name="steel"),
    )


def _board():
    """A low board on feet with two open bays and a drawer."""
    parts = [((x, -0.17, 0.0), (x + 0.05, 0.17, 0.10), 1) for x in (-0.75, 0.70)]
    parts += [((-0.8, -0.21, 0.10), (0.8, 0.21, 0.13), 0), ((-0.8, -0.21, 0.39), (0.8, 0.21, 0.42), 0)]
    parts += [((x, -0.21, 0.13), (x + 0.03, 0.21, 0.39), 0) for x in (-0.8, -0.25, 0.25, 0.77)]
    parts += [((-0.22, -0.20, 0.14), (0.25, 0.19, 0.38), 2), ((-0.8, 0.19, 0.13), (0.8, 0.21, 0.39), 0)]
    parts += [((-0.05, -0.21, 0.25), (0.05, -0.20, 0.27), 1)]
    return parts, (
        Material(color=(0.70, 0.55, 0.38), name="wood"),
        Material(color=(0.25, 0.25, 0.26), name="metal"),
        Material(color=(0.85, 0.84, 0.82), name="front"),
    )


def _sideboard():
    """A closed low board with three doors."""
    parts = [((-0.7, -0.19, 0.06), (0.7, 0.21, 0.55), 0), ((-0.66, -0.15, 0.0), (0.66, 0.17, 0.06), 1)]
    for x in (-0.69, -0.225, 0.24):
        parts += [
            ((x, -0.205, 0.08), (x + 0.45, -0.19, 0.53), 2),
            ((x + 0.2, -0.21, 0.47), (x + 0.25, -0.205, 0.49), 1),
        ]
    return parts, (
        Material(color=(0.55, 0.40, 0.28), name="wood"),
        Material(color=(0.20, 0.20, 0.21), name="metal"),
        Material(color=(0.62, 0.47, 0.33), name="front"),
    )


def _rug():
    return [((-1.0, -0.7, 0.0), (1.0, 0.7, 0.008), 0), ((-0.99, -0.69, 0.008), (0.99, 0.69, 0.012), 1)], (
        Material(color=(0.5, 0.5, 0.5), name="back"),
        Material(color=(1.0, 1.0, 1.0), name="pile"),
    )


def _picture():
    return [((-0.3, -0.01, 0.0), (0.3, 0.015, 0.45), 0), ((-0.275, -0.015, 0.025), (0.275, -0.01, 0.425), 1)], (
        Material(color=(0.25, 0.20, 0.16), name="frame"),
        Material(color=(1.0, 1.0, 1.0), name="canvas"),
    )


def _mirror():
    return [((-0.3, -0.01, 0.0), (0.3, 0.015, 0.8), 0), ((-0.28, -0.015, 0.02), (0.28, -0.01, 0.78), 1)], (
        Material(color=(0.55, 0.50, 0.45), name="frame"),
        Material(color=(0.80, 0.85, 0.88), name="silvering"),
    )


def _books(number: int):
    """A row of books of one shelf, spines to the front, the last one leaning on nothing."""
    rng = np.random.default_rng([number, 17])
    wide, deep, tall = SIZES[f"books-{number}"]
    parts, colors, x = [], [], -wide / 2
    while x < wide / 2 - 1e-6:
        thick = min(float(rng.uniform(0.015, 0.045)), wide / 2 - x)
        top = tall if not parts else tall * float(rng.uniform(0.68, 1.0))
        front = -deep / 2 if not parts else -deep / 2 + float(rng.uniform(0.0, 0.03))
        parts.append(((x, front, 0.0), (x + thick - 0.001, deep / 2, top), len(colors)))
        colors.append(paint(rng, value=(0.2, 0.9), saturation=(0.05, 0.8)))
        x += thick
    return parts, tuple(Material(color=(float(c[0]), float(c[1]), float(c[2])), name="book") for c in colors)
