"""How a room of each kind is furnished: what it must hold, what it may hold, and where people put it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chorus.sources.rooms import groups, kitchen, touches
from chorus.sources.rooms.layout import Layout
from chorus.sources.rooms.space import Placed


def bedroom(layout: Layout, windows: list[Placed]) -> None:
    """Beds with their heads to the wall and nightstands beside them; wardrobe, dresser, perhaps a desk."""
    touches.curtains(layout, windows, share=0.4)
    child = layout.chance(0.4)
    if not child:
        bed = layout.must(layout.against(layout.thing("double bed"), free=0.5, corner=0.1, middle=0.4), "bed")
    else:
        kind = "bunk bed" if layout.chance(0.3) else "single bed"
        bed = layout.must(layout.against(layout.thing(kind, most=(9, 9, layout.space.height - 0.4)), corner=0.6), "bed")
        if kind == "single bed" and layout.chance(0.3):
            layout.against(layout.thing("single bed"), corner=0.6)
    if layout[bed].kind.name != "bunk bed":
        for side in (-1, 1):
            if layout.chance(0.85):
                stand = layout.beside(bed, layout.thing("nightstand"), side, gap=0.04)
                if layout.chance(0.7):
                    touches.lamp_on(layout, stand, "table lamp")
                touches.fill(layout, stand, "shelf things", count=1)
    if layout.chance(0.45):
        touches.rug(layout, bed)
    wardrobe = layout.thing("wardrobe", most=(9, 9, layout.space.height - 0.05))
    layout.against(wardrobe, free=0.55, corner=0.6)
    if layout.chance(0.45):
        groups.tv_on_stand(layout)
    if layout.chance(0.65):
        dresser = layout.against(layout.thing("dresser"), free=0.5)
        touches.fill(layout, dresser, "shelf things", count=3)
    if layout.chance(0.7 if child else 0.3):
        groups.workplace(layout)
    if child:
        touches.shelves(layout, layout.against(layout.thing("bookshelf"), free=0.4), share=0.6)
        touches.left_about(layout, 2)
    elif layout.chance(0.25):
        layout.against(layout.thing("crib"), corner=0.7)
    if layout.chance(0.35):
        touches.seat(layout, "armchair" if layout.chance(0.6) else "stool")


def living(layout: Layout, windows: list[Placed]) -> None:
    """A sofa facing the tv, a low table between and armchairs beside; shelves, and a dining table if it is large."""
    touches.curtains(layout, windows, share=0.4)
    sofa = groups.sofa_and_tv(layout)
    low = layout.before(sofa, layout.thing("coffee table"), distance=float(layout.rng.uniform(0.32, 0.5)), turned=0.0)
    touches.fill(layout, low, "table things", count=int(layout.rng.integers(0, 4)))
    if layout.chance(0.6):
        touches.rug(layout, low)
    base = layout[sofa]
    for side in (-1, 1):
        if layout.chance(0.4):
            chair = layout.thing("armchair")
            turned = side * (np.pi / 2 + float(layout.rng.uniform(-0.4, 0.3)))
            reach = (base.size[0] + chair.size[0]) / 2 + float(layout.rng.uniform(0.1, 0.35))
            layout.before(sofa, chair, distance=float(layout.rng.uniform(0.0, 0.4)), shift=side * reach, turned=-turned)
        elif layout.chance(0.35):
            layout.beside(sofa, layout.thing("floor lamp"), side, gap=0.08)
        elif layout.chance(0.25):
            stand = layout.beside(sofa, layout.thing("nightstand"), side, gap=0.05)
            touches.lamp_on(layout, stand, "table lamp")
    if groups.floor_area(layout) > 19 and layout.chance(0.6):
        groups.table_and_chairs(layout)
    if layout.chance(0.5):
        layout.against(layout.thing("fireplace", most=(9, 9, layout.space.height)), free=0.6, corner=0.0, middle=0.4)
    if layout.chance(0.4):
        groups.piano_and_stool(layout)
    for _ in range(int(layout.rng.integers(0, 3))):
        touches.shelves(layout, layout.against(layout.thing("bookshelf"), free=0.4))
    if layout.chance(0.35):
        cabinet = layout.against(layout.thing("cabinet", most=(9, 9, layout.space.height - 0.05)), free=0.45)
        touches.fill(layout, cabinet, "shelf things", count=1)
    if layout.chance(0.15):
        groups.workplace(layout)
    if layout.chance(0.15):
        groups.stairs_in_corner(layout)
    touches.plants(layout, int(layout.rng.integers(0, 3)))


def dining(layout: Layout, windows: list[Placed]) -> None:
    """A table with chairs in the middle; cabinets and sideboards at the walls."""
    touches.curtains(layout, windows, share=0.4)
    groups.table_and_chairs(layout, must=True)
    if layout.chance(0.6):
        layout.against(layout.thing("cabinet", most=(9, 9, layout.space.height - 0.05)), free=0.45)
    if layout.chance(0.5):
        side = layout.against(layout.thing("dresser"), free=0.45, middle=0.4)
        touches.fill(layout, side, "shelf things", count=3)
        touches.fill(layout, side, "table things", count=2)
    if layout.chance(0.45):
        layout.against(layout.thing("fireplace", most=(9, 9, layout.space.height)), free=0.5, corner=0.0, middle=0.4)
    if layout.chance(0.45):
        groups.piano_and_stool(layout)
    if layout.chance(0.35):
        touches.seat(layout, "armchair")
    if layout.chance(0.3):
        touches.shelves(layout, layout.against(layout.thing("bookshelf"), free=0.4))
    touches.plants(layout, int(layout.rng.integers(0, 3)))


def office(layout: Layout, windows: list[Placed]) -> None:
    """One or two desks, shelves, a cabinet, something to read in."""
    touches.curtains(layout, windows, share=0.2)
    groups.workplace(layout, must=True)
    if layout.chance(0.35):
        groups.workplace(layout)
    for _ in range(int(layout.rng.integers(1, 4))):
        touches.shelves(layout, layout.against(layout.thing("bookshelf", again=layout.chance(0.6)), free=0.4))
    if layout.chance(0.5):
        cabinet = layout.against(layout.thing("cabinet", most=(9, 9, layout.space.height - 0.05)), free=0.45)
        touches.fill(layout, cabinet, "desk things", count=2)
    if layout.chance(0.4):
        touches.seat(layout, "armchair")
    if layout.chance(0.2):
        layout.against(layout.thing("sofa"), free=0.5)
    if layout.chance(0.3):
        layout.in_corner(layout.thing("floor lamp"))
    if layout.chance(0.25):
        layout.against(layout.thing("piano" if layout.chance(0.4) else "dresser"), free=0.5)
    touches.plants(layout, int(layout.rng.integers(0, 3)))
    touches.left_about(layout, int(layout.rng.integers(0, 2)))


def bathroom(layout: Layout, windows: list[Placed]) -> None:
    """A toilet, a washbasin, a bathtub or a shower or both; a washing machine and a warm rail for towels."""
    first = "bathtub" if layout.chance(0.45) else "shower"
    second = "shower" if first == "bathtub" else "bathtub"
    _wet(layout, first, must=True)
    layout.must(layout.against(layout.thing("toilet"), free=0.5, corner=0.15), "toilet")
    layout.must(_washbasin(layout), "washbasin")
    if layout.chance(0.7):
        _wet(layout, second)
    if layout.chance(0.35):
        _washbasin(layout)
    if layout.chance(0.5):
        machine = layout.against(layout.thing("washing machine"), free=0.5, corner=0.5)
        touches.fill(layout, machine, "bath things", count=2)
    if layout.chance(0.6):
        layout.against(layout.thing("towel radiator", most=(9, 9, 1.7)), elevation=0.25)
    if layout.chance(0.2):
        layout.against(layout.thing("wardrobe", most=(1.1, 0.6, 1.8)), free=0.4, corner=0.6)
    if layout.chance(0.35):
        touches.seat(layout, "stool")
    if layout.chance(0.3):
        layout.against(layout.thing("small plant", most=(0.4, 0.4, 0.6)), corner=0.7)
    touches.wall_lamps(layout, int(layout.rng.integers(0, 3)))


def _wet(layout: Layout, name: str, *, must: bool = False) -> None:
    """A bathtub along a wall, one side in a corner; or a shower in a corner."""
    if name == "shower" or layout.chance(0.12):
        name = name if name == "shower" else "corner bathtub"
        placed = layout.against(layout.thing(name, most=(9, 9, layout.space.height)), corner=1.0, free=0.0)
    else:
        placed = layout.against(layout.thing(name), corner=0.85)
    if must:
        layout.must(placed, name)


def _washbasin(layout: Layout) -> int | None:
    """A washbasin on the floor or hung on the wall, with things on it."""
    if layout.chance(0.35):
        thing = layout.thing("hung washbasin")
        placed = layout.against(thing, free=0.45, corner=0.0, elevation=0.95 - float(thing.size[2]))
    else:
        placed = layout.against(layout.thing("washbasin", most=(9, 9, 2.2)), free=0.45, corner=0.0)
    if placed is not None:
        touches.fill(layout, placed, "bath things", count=2)
        if layout.chance(0.7):
            touches.mirror_over(layout, placed)
    return placed


def hall(layout: Layout, windows: list[Placed]) -> None:
    """Stairs in a corner, a place for coats, a seat."""
    if layout.chance(0.85):
        groups.stairs_in_corner(layout)
    done = 0
    if layout.chance(0.55):
        done += layout.against(layout.thing("wardrobe", most=(9, 9, layout.space.height - 0.05)), free=0.5) is not None
    if layout.chance(0.55):
        dresser = layout.against(layout.thing("dresser"), free=0.45, middle=0.3)
        touches.fill(layout, dresser, "shelf things", count=2)
        if layout.chance(0.5):
            touches.lamp_on(layout, dresser, "table lamp")
        if layout.chance(0.5):
            touches.mirror_over(layout, dresser)
        done += dresser is not None
    if layout.chance(0.4):
        done += touches.seat(layout, "stool" if layout.chance(0.5) else "armchair") is not None
    if layout.chance(0.3):
        done += layout.against(layout.thing("cabinet", most=(9, 9, layout.space.height - 0.05)), free=0.4) is not None
    if layout.chance(0.3):
        touches.shelves(layout, layout.against(layout.thing("bookshelf"), free=0.4))
    if layout.chance(0.25):
        done += layout.against(layout.thing("washing machine"), free=0.5) is not None
    if not done:
        layout.must(layout.against(layout.thing("chair"), free=0.3), "seat in the hall")
    touches.plants(layout, int(layout.rng.integers(0, 3)))
    touches.left_about(layout, int(layout.rng.integers(0, 3)))
    touches.wall_lamps(layout, int(layout.rng.integers(0, 2)))


def furnish(kind: str, layout: Layout, windows: list[Placed]) -> None:
    """Everything a room of a kind holds, by its own rules and what any room gets. Raises Unfurnishable when something
    it must hold fits nowhere."""
    RULES[kind](layout, windows)
    touches.radiators(layout, windows)
    if not any(item.kind.name == "ceiling lamp" for item in layout.space.items) and layout.chance(0.75):
        touches.ceiling_lamp(layout)
    if kind in ("hall", "office", "bathroom") and layout.chance(0.3):
        touches.rug(layout)
    touches.pictures(layout, int(layout.rng.integers(0, 2 if kind in ("bathroom", "kitchen") else 5)))
    if kind not in ("bathroom", "kitchen") and layout.chance(0.25):
        layout.in_corner(layout.thing("floor lamp"))


RULES: dict[str, Callable[[Layout, list[Placed]], None]] = {
    "bedroom": bedroom,
    "living": living,
    "kitchen": kitchen.kitchen,
    "bathroom": bathroom,
    "dining": dining,
    "office": office,
    "hall": hall,
}
