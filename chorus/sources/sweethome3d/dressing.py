"""Things people leave about: laptops on tables, placed by the scene's seed. The homes as drawn have none."""

from __future__ import annotations

import numpy as np

from chorus.sources.sweethome3d.classes import CLASS_NAMES, class_of
from chorus.sources.sweethome3d.home_xml import Item

LAPTOP = "eTeks#laptop"
_SIZE = np.array([0.34, 0.26, 0.25])  # m
_MODEL = "com/eteks/sweethome3d/io/resources/laptop.obj"
_SHARE = 0.6  # of the tables that have room for one


def laptops(items: list[Item], room_middle: np.ndarray, rng: np.random.Generator) -> list[Item]:
    """Laptops on some of the tables among ``items``, open towards the longer side facing ``room_middle`` [2], 0.3 m
    clear of other things."""
    placed = []
    for table in items:
        top = table.elevation + table.size[2]
        if (
            CLASS_NAMES[class_of(table)] != "table"
            or not 0.6 < top < 0.9
            or min(table.size[:2]) < 0.45
            or max(table.size[:2]) < 0.8
        ):
            continue
        on_top = [i.center for i in items if i is not table and top - 0.1 < i.elevation < top + 0.1]
        spot = _free_spot(table, on_top, rng)
        if spot is not None and rng.random() < _SHARE:
            placed.append(_laptop(table, spot, room_middle, top))
    return placed


def _free_spot(table: Item, taken: list[np.ndarray], rng: np.random.Generator) -> np.ndarray | None:
    """[2] the first of some random spots on the table that is clear of what stands there."""
    c, s = np.cos(table.angle), np.sin(table.angle)
    reach = np.maximum(table.size[:2] / 2 - 0.25, 0.0)
    for u, v in rng.uniform(-1, 1, (8, 2)) * reach:
        spot = table.center + [c * u - s * v, s * u + c * v]
        if all(np.linalg.norm(spot - other) > 0.3 for other in taken):
            return spot
    return None


def _laptop(table: Item, spot: np.ndarray, room_middle: np.ndarray, top: float) -> Item:
    """Parallel to the table's longer side; its front is -y of the item."""
    angle = table.angle if table.size[0] >= table.size[1] else table.angle + np.pi / 2
    front = np.array([np.sin(angle), -np.cos(angle)])
    angle = angle if front @ (room_middle - spot) > 0 else angle + np.pi
    return Item(
        catalog_id=LAPTOP,
        name="Laptop",
        tag="pieceOfFurniture",
        model=_MODEL,
        level=table.level,
        center=spot,
        elevation=top,
        size=_SIZE,
        plan_height=_SIZE[2],
        angle=angle,
        pitch=0.0,
        roll=0.0,
        mirrored=False,
        rotation=np.eye(3),
        color=None,
        materials={},
        cut_out="",
        wall_depth=(0.0, 1.0),
    )
