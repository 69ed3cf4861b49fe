"""Things that belong together: a desk and its chair, a sofa and its tv, a table and its chairs, a piano and a stool."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chorus.sources.rooms import touches
from chorus.sources.rooms.layout import Layout
from chorus.sources.rooms.space import Box
from chorus.sources.rooms.stairwell import stairwell
from chorus.sources.sweethome3d.geometry import signed_area


def floor_area(layout: Layout) -> float:
    return abs(signed_area(layout.space.outline))


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


def piano_and_stool(layout: Layout) -> None:
    piano = layout.against(layout.thing("piano"), free=0.6, corner=0.1)
    if piano is not None:
        zone = layout.space.zones.pop()
        layout.before(piano, layout.thing("stool", most=(9, 9, 0.5)), distance=float(layout.rng.uniform(0.05, 0.3)))
        layout.space.zones.append(zone)


def sofa_and_tv(layout: Layout) -> int:
    """Both, in view of each other: first the tv at a wall, then the sofa across, its back to a wall or free. The sofa's
    place."""
    space = layout.space
    for _ in range(14):
        items, zones = len(space.items), len(space.zones)
        stand = tv_on_stand(layout)
        sofa = None if stand is None else _across(layout, stand)
        if sofa is not None:
            return sofa
        del space.items[items:], space.zones[zones:]
    return layout.must(None, "sofa facing the tv")


def tv_on_stand(layout: Layout) -> int | None:
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
    corner = layout.chance(0.2) and floor_area(layout) > 22
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


def table_and_chairs(layout: Layout, *, must: bool = False) -> int | None:
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


def stairs_in_corner(layout: Layout) -> None:
    """Stairs along a wall up into a corner, of a kind that the room has the length for."""
    for _ in range(5):
        stairs = layout.thing("stairs", most=(1.5, 3.6, 9), again=False)
        if layout.against(stairs, corner=1.0, free=0.6) is None:
            continue
        if stairs.size[2] <= layout.space.height or stairwell(layout.space) is not None:
            return
        layout.space.items.pop()  # at the inner corner of an L, where the ceiling cannot open
        layout.space.zones.pop()
