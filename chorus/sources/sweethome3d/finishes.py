"""How a room's surfaces look: floor, walls, ceiling and skirting, drawn from the scene's seed and the room's use."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chorus.sources.sweethome3d import textures
from chorus.sources.sweethome3d.home_xml import Room
from chorus.sources.sweethome3d.mesh import Material

_WOOD = ((0.05, 0.10),)
_WARM = ((0.02, 0.13),)


@dataclass(frozen=True, kw_only=True)
class Surface:
    """A material and how many metres one repeat of it takes."""

    material: Material
    meters: float
    turned: bool = False  # u along y


@dataclass(frozen=True, kw_only=True)
class Finish:
    """The surfaces of one room."""

    floor: Surface
    wall: Surface
    accent: Surface  # one side of the room
    accent_angle: float  # rad, the outward direction of the accent side
    ceiling: Surface
    skirting: Surface


def room_use(room: Room, catalog_ids: set[str]) -> str:
    """bathroom | kitchen | outdoors | living, from the room's name, else from what stands in it."""
    name = room.name.lower()
    if (
        "bath" in name
        or not name
        and catalog_ids & {"eTeks#toiletUnit", "eTeks#shower", "eTeks#bath", "eTeks#fittedBath"}
    ):
        return "bathroom"
    if "kitchen" in name:
        return "kitchen"
    if any(word in name for word in ("terrace", "balcony", "roof")):
        return "outdoors"
    return "living"


def draw_finish(rng: np.random.Generator, use: str) -> Finish:
    """A finish for one room."""
    wet = use in ("bathroom", "kitchen")
    return Finish(
        floor=_floor(rng, use),
        wall=_wall(rng, tiled=use == "bathroom" and rng.random() < 0.7, accent=False),
        accent=_wall(rng, tiled=wet and rng.random() < 0.4, accent=True),
        accent_angle=float(rng.integers(4)) * np.pi / 2,
        ceiling=_surface(
            textures.plaster(rng, textures.paint(rng, value=(0.90, 0.97), saturation=(0.0, 0.04), hues=_WARM))
        ),
        skirting=_plain(
            textures.paint(rng, value=(0.85, 0.95), saturation=(0, 0.05)) if rng.random() < 0.7 else _wood_color(rng)
        ),
    )


def plain_finish(room: Room | None, wall_color) -> Finish:
    """The designer's own flat colours (a home as drawn, nothing random)."""
    floor = room.floor_color if room is not None and room.floor_color is not None else (0.75, 0.72, 0.68)
    ceiling = room.ceiling_color if room is not None and room.ceiling_color is not None else (0.95, 0.95, 0.95)
    wall = _plain(wall_color if wall_color is not None else (0.92, 0.92, 0.9))
    return Finish(
        floor=_plain(floor),
        wall=wall,
        accent=wall,
        accent_angle=0.0,
        ceiling=_plain(ceiling),
        skirting=_plain((0.9, 0.9, 0.88)),
    )


def _floor(rng: np.random.Generator, use: str) -> Surface:
    choice = rng.random()
    if use == "outdoors" or (use in ("bathroom", "kitchen") and choice < 0.75):
        color = textures.paint(rng, value=(0.45, 0.85), saturation=(0.02, 0.22))
        return _surface(textures.tiles(rng, color))
    if choice < 0.75:
        return _surface(textures.planks(rng, _wood_color(rng)), turned=bool(rng.random() < 0.5))
    return _surface(textures.carpet(rng, textures.paint(rng, value=(0.4, 0.75), saturation=(0.05, 0.4))))


def _wall(rng: np.random.Generator, *, tiled: bool, accent: bool) -> Surface:
    if tiled:
        color = textures.paint(rng, value=(0.7, 0.95), saturation=(0.0, 0.3))
        return _surface(textures.tiles(rng, color, count=int(rng.integers(4, 9)), side=(0.12, 0.26)))
    saturation = (0.12, 0.5) if accent and rng.random() < 0.6 else (0.02, 0.22)
    color = textures.paint(rng, value=(0.62, 0.92) if accent else (0.78, 0.95), saturation=saturation)
    draw = textures.stripes if accent and rng.random() < 0.3 else textures.plaster
    return _surface(draw(rng, color))


def _wood_color(rng: np.random.Generator) -> np.ndarray:
    return textures.paint(rng, value=(0.3, 0.8), saturation=(0.25, 0.6), hues=_WOOD)


def _surface(drawn: tuple[np.ndarray, float], *, turned: bool = False) -> Surface:
    texture, meters = drawn
    return Surface(material=Material(color=(1.0, 1.0, 1.0), texture=texture), meters=meters, turned=turned)


def _plain(color) -> Surface:
    red, green, blue = (float(c) for c in color)
    return Surface(material=Material(color=(red, green, blue)), meters=1.0)
