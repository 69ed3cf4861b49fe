"""Kitchens: runs of counters along one or two walls with sink, stove and machines, cabinets and a hood above."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chorus.sources.rooms import touches
from chorus.sources.rooms.layout import Layout
from chorus.sources.rooms.space import Placed, angle_facing, intersect

_DEPTH = 0.62  # m of every unit of a run
_FREE = 0.75  # m before it


def kitchen(layout: Layout, windows: list[Placed]) -> None:
    """A run with a sink and a stove, perhaps a second one round the corner, an island or a table with chairs."""
    del windows  # nothing hangs at a kitchen's windows
    rest = layout.must(_run(layout, _units(layout)), "run of counters")
    if rest or layout.chance(0.3):
        _run(layout, [*rest, *[layout.thing("counter") for _ in range(int(layout.rng.integers(1, 4)))]])
    if layout.chance(0.35):
        island = layout.standing(layout.thing("island"), apart=0.75, angle=float(layout.rng.integers(4)) * np.pi / 2)
        if island is not None:
            _stools(layout, island)
            touches.fill(layout, island, "table things", count=2)
            touches.ceiling_lamp(layout, island)
    _eating(layout)
    if layout.chance(0.3):
        layout.against(layout.thing("washing machine"), free=0.5, corner=0.5)
    if layout.chance(0.3):
        layout.against(layout.thing("cabinet", most=(0.9, 9, layout.space.height - 0.05)), free=0.45, corner=0.5)
    touches.plants(layout, int(layout.rng.integers(0, 2)))


def _units(layout: Layout) -> list[Placed]:
    """What a run must hold, in a drawn order; the fridge at an end."""
    machines = [layout.thing("dishwasher")] if layout.chance(0.8) else []
    counters = [layout.thing("counter") for _ in range(int(layout.rng.integers(1, 4)))]
    middle = [layout.thing("kitchen sink"), layout.thing("stove"), *machines, *counters]
    middle = [middle[i] for i in layout.rng.permutation(len(middle))]
    fridge = [layout.thing("refrigerator", most=(9, 9, layout.space.height - 0.1))]
    return [*fridge, *middle] if layout.chance(0.5) else [*middle, *fridge]


def _run(layout: Layout, units: list[Placed]) -> list[Placed] | None:
    """The units side by side with their backs to one wall. Counters and dishwashers are left out until the rest fits:
    those; None when nothing fits."""
    units, left = list(units), []
    while units:
        sides = layout.space.sides()
        for i in layout.rng.permutation(len(sides)):
            start, u, length = sides[i]
            spare = length - sum(float(unit.size[0]) + 0.002 for unit in units)
            if spare < 0.02:
                continue
            for at in (0.01, spare - 0.01, *(spare * layout.rng.random(4))):
                if _lay(layout, units, start, u, at):
                    return left
        plain = [k for k, unit in enumerate(units) if unit.kind.name in ("counter", "dishwasher")]
        if not plain:
            return None
        left.append(units.pop(plain[-1]))
    return None


def _lay(layout: Layout, units: list[Placed], start: np.ndarray, u: np.ndarray, at: float) -> bool:
    """All of the units from ``at`` metres along a wall, or none; what hangs above them where it fits."""
    space = layout.space
    before, zones = len(space.items), len(space.zones)
    inward = np.array([-u[1], u[0]])
    for unit in units:
        size = np.array([unit.size[0], _DEPTH, unit.size[2]])
        center = start + (at + size[0] / 2) * u + (size[1] / 2 + 0.012) * inward
        moved = replace(unit, size=size, center=center, angle=angle_facing(inward))
        if layout.put(moved) is None:
            del space.items[before:]
            return False
        at += float(size[0]) + 0.002
    end = len(space.items)
    for i in range(before, end):
        if i not in (before, end - 1) or space.items[i].kind.name != "counter":  # another run may begin at the corner
            space.keep_free(space.items[i], _FREE)
    if any(not space.holds(replace(zone, low=0.1, half=zone.half - 0.02)) for zone in space.zones[zones:]):
        del space.items[before:], space.zones[zones:]
        return False
    for i in range(before, end):
        _above(layout, i)
    for i in range(before, end):
        if space.items[i].kind.name in ("counter", "dishwasher"):
            touches.fill(layout, i, "kitchen things", count=int(layout.rng.integers(0, 4)))
            if layout.chance(0.12):
                layout.on(i, layout.thing("small plant", most=(0.4, 0.4, 0.5)), level=0)
    return True


def _above(layout: Layout, index: int) -> None:
    """A hood over a stove, a cabinet over a counter."""
    unit, space = layout[index], layout.space
    if unit.kind.name == "stove":
        hood = layout.thing("range hood")
        low = min(1.55, space.height - float(hood.size[2]) - 0.02)
        if low > 1.35:
            center = unit.at(0.0, (unit.size[1] - hood.size[1]) / 2)
            layout.put(replace(hood, center=center, angle=unit.angle, elevation=low), zones=False)
    elif unit.kind.name in ("counter", "dishwasher", "kitchen sink") and layout.chance(0.75):
        cabinet = layout.thing("wall cabinet", most=(float(unit.size[0]) * 2, 0.5, space.height - 1.45))
        size = np.array([unit.size[0], min(float(cabinet.size[1]), 0.36), cabinet.size[2]])
        center = unit.at(0.0, (unit.size[1] - size[1]) / 2)
        moved = replace(cabinet, size=size, center=center, angle=unit.angle, elevation=1.42)
        if not any(zone.low > 0.5 and intersect(moved.box, zone) for zone in space.zones):
            layout.put(moved, zones=False)


def _stools(layout: Layout, island: int) -> None:
    """Stools along the island's back."""
    base, stool = layout[island], layout.thing("bar stool")
    count = int(base.size[0] // (stool.size[0] + 0.1))
    for i in range(count):
        x = base.size[0] * ((i + 0.5) / count - 0.5)
        y = base.size[1] / 2 + stool.size[1] / 2 + 0.03
        layout.put(replace(stool, center=base.at(float(x), float(y)), angle=base.angle))


def _eating(layout: Layout) -> None:
    """A small table with chairs or stools."""
    if not layout.chance(0.65):
        return
    name = "round table" if layout.chance(0.5) else "dining table"
    thing = layout.thing(name, most=(1.5, 1.2, 1.0))
    table = layout.standing(thing, apart=0.6, angle=float(layout.rng.integers(2)) * np.pi / 2)
    if table is None:
        table = layout.against(thing)
    if table is not None:
        layout.around(table, "chair" if layout.chance(0.6) else "stool")
        touches.fill(layout, table, "table things", count=int(layout.rng.integers(0, 5)))
        if layout.chance(0.5):
            touches.ceiling_lamp(layout, table)
