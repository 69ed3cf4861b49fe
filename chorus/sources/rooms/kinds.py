"""How a room of each kind is furnished: what it must hold, what it may hold, and where people put it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from chorus.sources.rooms import kitchen, touches
from chorus.sources.rooms.layout import Layout
from chorus.sources.rooms.space import Box, Placed
from chorus.sources.sweethome3d.geometry import signed_area


def _area(layout: Layout) -> float:
    return abs(signed_area(layout.space.outline))


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
        _tv(layout)
    if layout.chance(0.65):
        dresser = layout.against(layout.thing("dresser"), free=0.5)
        touches.fill(layout, dresser, "shelf things", count=3)
    if layout.chance(0.7 if child else 0.3):
        workplace(layout)
    if child:
        touches.shelves(layout, layout.against(layout.thing("bookshelf"), free=0.4), share=0.6)
        touches.left_about(layout, 2)
    elif layout.chance(0.25):
        layout.against(layout.thing("crib"), corner=0.7)
    if layout.chance(0.35):
        touches.seat(layout, "armchair" if layout.chance(0.6) else "stool")


def workplace(layout: Layout, *, must: bool = False) -> int | None:
    """A desk at a wall, its chair before it; a laptop turned to the chair, a lamp and small things on it."""
    desk = layout.against(layout.thing("desk"), free=0.75, corner=0.35)
    if desk is None:
        return layout.must(None, "desk") if must else None
    zone = layout.space.zones.pop()  # the chair stands there
    layout.before(desk, layout.thing("desk chair"), distance=float(layout.rng.uniform(-0.12, 0.12)))
    layout.space.zones.append(zone)
    if layout.chance(0.8):
        layout.on(desk, layout.thing("laptop"), level=0, at=(float(layout.rng.uniform(-0.15, 0.15)), -0.08))
    if layout.chance(0.8):
        touches.lamp_on(layout, desk, "desk lamp")
    touches.fill(layout, desk, "desk things", count=int(layout.rng.integers(1, 5)))
    if layout.chance(0.3):
        touches.fill(layout, desk, "books", count=1)
    return desk


def living(layout: Layout, windows: list[Placed]) -> None:
    """A sofa facing the tv, a low table between and armchairs beside; shelves, and a dining table if it is large."""
    touches.curtains(layout, windows, share=0.4)
    sofa = _sofa_and_tv(layout)
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
    if _area(layout) > 19 and layout.chance(0.6):
        _table(layout)
    if layout.chance(0.5):
        layout.against(layout.thing("fireplace", most=(9, 9, layout.space.height)), free=0.6, corner=0.0, middle=0.4)
    if layout.chance(0.4):
        _piano(layout)
    for _ in range(int(layout.rng.integers(0, 3))):
        touches.shelves(layout, layout.against(layout.thing("bookshelf"), free=0.4))
    if layout.chance(0.35):
        cabinet = layout.against(layout.thing("cabinet", most=(9, 9, layout.space.height - 0.05)), free=0.45)
        touches.fill(layout, cabinet, "shelf things", count=1)
    if layout.chance(0.15):
        workplace(layout)
    if layout.chance(0.15):
        _stairs(layout)
    touches.plants(layout, int(layout.rng.integers(0, 3)))


def _piano(layout: Layout) -> None:
    piano = layout.against(layout.thing("piano"), free=0.6, corner=0.1)
    if piano is not None:
        zone = layout.space.zones.pop()
        layout.before(piano, layout.thing("stool", most=(9, 9, 0.5)), distance=float(layout.rng.uniform(0.05, 0.3)))
        layout.space.zones.append(zone)


def _sofa_and_tv(layout: Layout) -> int:
    """Both, in view of each other: first the tv at a wall, then the sofa across, its back to a wall or free. The sofa's
    place."""
    space = layout.space
    for _ in range(14):
        items, zones = len(space.items), len(space.zones)
        stand = _tv(layout)
        sofa = None if stand is None else _across(layout, stand)
        if sofa is not None:
            return sofa
        del space.items[items:], space.zones[zones:]
    return layout.must(None, "sofa facing the tv")


def _tv(layout: Layout) -> int | None:
    """A tv on its stand, or on the wall above one."""
    stand = layout.against(layout.thing("tv stand"), corner=0.0, middle=0.4)
    if stand is None:
        return None
    base = layout[stand]
    if layout.chance(0.4) and base.size[2] < 0.9:
        tv = layout.thing("wall tv")
        raised = base.size[2] + float(layout.rng.uniform(0.15, 0.4))
        center = base.at(0.0, (base.size[1] - tv.size[1]) / 2)
        up = layout.put(replace(tv, center=center, angle=base.angle, elevation=float(raised)))
    else:
        up = layout.on(stand, layout.thing("tv", most=(base.size[0], base.size[1], 1.2)), level=0, at=(0, 0))
    return None if up is None else stand


def _across(layout: Layout, stand: int) -> int | None:
    corner = layout.chance(0.2) and _area(layout) > 22
    sofa = layout.thing("corner sofa" if corner else "sofa")
    for distance in layout.rng.uniform(1.5, 4.2, 10):
        shift = float(layout.rng.uniform(-0.3, 0.3))
        if (placed := layout.before(stand, sofa, distance=float(distance), shift=shift)) is not None:
            return placed if _reachable(layout, placed) else layout.space.items.pop() and None
    return None


def _reachable(layout: Layout, index: int) -> bool:
    """Whether what is behind a thing is the wall (within a hand) or room to walk."""
    thing = layout[index]
    for gap in (0.12, 0.6):
        behind = thing.at(0.0, thing.size[1] / 2 + gap)
        within = layout.space.holds(_point(behind))
        if not within:
            return gap == 0.12
    return True


def _point(at: np.ndarray) -> Box:
    return Box(center=at, half=np.full(2, 0.02), angle=0.0, low=0.0, high=0.1)


def _table(layout: Layout, *, must: bool = False) -> int | None:
    """A table standing free with chairs round it, a lamp over it and something on it."""
    name = "round table" if layout.chance(0.35) else "dining table"
    table = None
    for apart in (0.75, 0.6):
        for turned in layout.rng.permutation([0.0, np.pi / 2]):
            if table is None:
                thing = layout.thing(name)
                table = layout.standing(thing, apart=apart, angle=float(turned))
    if table is None:
        return layout.must(None, "table") if must else None
    chairs = layout.around(
        table, "chair" if layout.chance(0.85) else "stool", share=float(layout.rng.uniform(0.7, 1.0))
    )
    if must and len(chairs) < 2:
        layout.must(None, "chairs round the table")
    if layout.chance(0.75):
        touches.ceiling_lamp(layout, table)
    if layout.chance(0.3):
        touches.rug(layout, table)
    touches.fill(layout, table, "table things", count=int(layout.rng.integers(0, 6)))
    if layout.chance(0.2):
        layout.on(table, layout.thing("laptop"), level=0)
    if layout.chance(0.3):
        layout.on(table, layout.thing("small plant"), level=0, at=(0, 0))
    return table


def dining(layout: Layout, windows: list[Placed]) -> None:
    """A table with chairs in the middle; cabinets and sideboards at the walls."""
    touches.curtains(layout, windows, share=0.4)
    _table(layout, must=True)
    if layout.chance(0.6):
        layout.against(layout.thing("cabinet", most=(9, 9, layout.space.height - 0.05)), free=0.45)
    if layout.chance(0.5):
        side = layout.against(layout.thing("dresser"), free=0.45, middle=0.4)
        touches.fill(layout, side, "shelf things", count=3)
        touches.fill(layout, side, "table things", count=2)
    if layout.chance(0.45):
        layout.against(layout.thing("fireplace", most=(9, 9, layout.space.height)), free=0.5, corner=0.0, middle=0.4)
    if layout.chance(0.45):
        _piano(layout)
    if layout.chance(0.35):
        touches.seat(layout, "armchair")
    if layout.chance(0.3):
        touches.shelves(layout, layout.against(layout.thing("bookshelf"), free=0.4))
    touches.plants(layout, int(layout.rng.integers(0, 3)))


def office(layout: Layout, windows: list[Placed]) -> None:
    """One or two desks, shelves, a cabinet, something to read in."""
    touches.curtains(layout, windows, share=0.2)
    workplace(layout, must=True)
    if layout.chance(0.35):
        workplace(layout)
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


def _stairs(layout: Layout) -> None:
    """Stairs along a wall up into a corner, of a kind that the room has the length for."""
    for _ in range(5):
        stairs = layout.thing("stairs", most=(1.5, 3.6, 9), again=False)
        if layout.against(stairs, corner=1.0, free=0.6) is not None:
            return


def hall(layout: Layout, windows: list[Placed]) -> None:
    """Stairs in a corner, a place for coats, a seat."""
    if layout.chance(0.85):
        _stairs(layout)
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
