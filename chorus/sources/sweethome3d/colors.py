"""Colours of furniture, varied by the scene's seed the way shops vary them: upholstery freely, wood and paint a
little."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

from chorus.sources.sweethome3d.classes import CLASS_ID
from chorus.sources.sweethome3d.mesh import Material
from chorus.sources.sweethome3d.textures import paint

_UPHOLSTERED = {CLASS_ID[n] for n in ("bed", "sofa", "armchair", "chair", "stool", "lamp")}
_PAINTED = {
    CLASS_ID[n]
    for n in (
        "table",
        "cabinet",
        "wardrobe",
        "bookshelf",
        "nightstand",
        "dresser",
        "kitchen counter",
        "tv stand",
        "door",
    )
}
_WOOD = (0.03, 0.15)  # hues
_DARKEST = 0.10


@dataclass(frozen=True, kw_only=True)
class ColorStyle:
    """How one kind of item is recoloured in one scene."""

    turn: float  # hue shift of coloured parts
    saturation: float
    value: float
    coat: np.ndarray  # [3] multiplied onto textures and pale parts
    dye: tuple[float, float, float] | None  # stands in for grey and black upholstery


def draw_style(rng: np.random.Generator, semantic: int) -> ColorStyle:
    """A style for an item of a class; appliances, plants and sanitary ware keep their colours."""
    free, painted = semantic in _UPHOLSTERED, semantic in _PAINTED
    coat = (
        paint(rng, value=(0.7, 1.0), saturation=(0.0, 0.35))
        if free or (painted and rng.random() < 0.35)
        else np.ones(3)
    )
    dye = tuple(paint(rng, value=(0.2, 0.8), saturation=(0.05, 0.6)))
    return ColorStyle(
        turn=float(rng.uniform(-0.5, 0.5) if free else rng.normal(0, 0.02)),
        saturation=float(rng.uniform(0.75, 1.2)),
        value=float(rng.uniform(0.85, 1.12)),
        coat=coat,
        dye=dye if free and rng.random() < 0.6 else None,
    )


def recolor(material: Material, color, style: ColorStyle) -> tuple[float, float, float]:
    """The sRGB colour (0..1) that a material of base colour ``color`` gets."""
    if material.texture is not None:
        return tuple(np.asarray(color) * style.coat)
    h, s, v = colorsys.rgb_to_hsv(*color)
    if style.dye is not None and s < 0.15 and v < 0.45:
        return style.dye
    wooden = _WOOD[0] <= h <= _WOOD[1] and s > 0.2
    turned = (h + (0.1 * style.turn if wooden else style.turn)) % 1.0
    rgb = np.array(
        colorsys.hsv_to_rgb(turned, min(s * style.saturation, 1.0), min(max(v * style.value, _DARKEST), 1.0))
    )
    return tuple(rgb * style.coat if s < 0.15 else rgb)
