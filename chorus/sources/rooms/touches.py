"""What any room gets once its furniture stands: lamps, plants, things on tops and shelves, heat, things left about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chorus.sources.rooms.layout import Layout
from chorus.sources.rooms.space import Placed, intersect
from chorus.sources.sweethome3d.geometry import inside

_MOUNTED = 1.25  # m; what is higher is no place to put things


def fill(layout: Layout, index: int | None, name: str, *, count: int) -> None:
    """Up to ``count`` different things on the top of a thing, turned as people leave them."""
    if index is None:
        return
    for _ in range(count):
        layout.on(index, layout.thing(name, again=False, most=(0.5, 0.5, 0.6)), level=0, spread=0.6)


def shelves(layout: Layout, index: int | None, *, share: float = 0.8) -> None:
    """Rows of books and other things on all levels of a shelf."""
    if index is None:
        return
    for _ in range(int(share * 16)):
        name = "books" if layout.chance(0.65) else "shelf things"
        thing = layout.thing(name, again=False, most=(0.6, layout[index].size[1], 0.45))
        layout.on(index, replace(thing, size=np.minimum(thing.size, [1, layout[index].size[1] * 0.8, 1])))


def lamp_on(layout: Layout, index: int | None, name: str) -> None:
    """A lamp on the top of a thing, near a back corner."""
    if index is not None:
        base = layout[index]
        side = 1.0 if layout.chance(0.5) else -1.0
        layout.on(index, layout.thing(name), level=0, at=(side * base.size[0] * 0.35, base.size[1] * 0.2))


def ceiling_lamp(layout: Layout, over: int | None = None) -> None:
    """One lamp under the ceiling, over a thing or the middle of the room."""
    most = (1.0, 1.0, min(layout.space.height - 1.35 if over is not None else layout.space.height - 1.95, 1.0))
    at = layout[over].center if over is not None else _middle(layout)
    layout.hanging(layout.thing("ceiling lamp", most=most), at)


def _middle(layout: Layout) -> np.ndarray:
    """[2] the middle of the room, or for an L of its larger arm: where the floor reaches furthest around."""
    outline = layout.space.outline
    low, high = outline.min(0), outline.max(0)
    if len(outline) == 4:
        return (low + high) / 2
    inner = next(p for p in outline if (p > low + 1e-6).all() and (p < high - 1e-6).all())
    arms = [(corner + inner) / 2 for corner in _corners(low, high) if inside(((corner + inner) / 2)[None], outline)[0]]
    return max(arms, key=lambda p: float(np.prod(np.abs(p - inner))))


def _corners(low: np.ndarray, high: np.ndarray) -> list[np.ndarray]:
    """The four corners of a rectangle."""
    return [np.array([x, y]) for x in (low[0], high[0]) for y in (low[1], high[1])]


def radiators(layout: Layout, windows: list[Placed]) -> None:
    """A radiator under some windows, one on another wall where there is none."""
    done = False
    for window in windows:
        most = (window.size[0] * 1.3, 0.3, window.elevation - 0.12)
        if not layout.chance(0.6) or most[2] < 0.45:
            continue
        thing = layout.thing("radiator", most=most)
        back = window.at(0.0, 0.0)
        sides = layout.space.sides()
        start, u, _ = min(sides, key=lambda side: _off(side, back))
        inward = np.array([-u[1], u[0]])
        foot = start + float((back - start) @ u) * u + (thing.size[1] / 2 + 0.012) * inward
        placed = layout.put(replace(thing, center=foot, angle=window.angle, elevation=0.1), zones=False)
        done = done or placed is not None
    if not done and layout.chance(0.4):
        layout.against(layout.thing("radiator"), elevation=0.1)


def _off(side, point: np.ndarray) -> float:
    """Metres from a point to a wall's line, or far where it lies beyond the wall's ends."""
    start, u, length = side
    along, across = (point - start) @ u, abs(u[0] * (point - start)[1] - u[1] * (point - start)[0])
    return float(across if -0.05 < along < length + 0.05 else 99.0)


def curtains(layout: Layout, windows: list[Placed], *, share: float = 0.25) -> None:
    """Curtains at both sides of some windows, hung before other things take the wall."""
    for window in windows:
        if not layout.chance(share):
            continue
        thing = layout.thing("curtain")
        size = np.array([window.size[0] * 1.45, min(float(thing.size[1]), 0.16), min(2.5, layout.space.height - 0.08)])
        start, u, _ = min(layout.space.sides(), key=lambda side: _off(side, window.center))
        inward = np.array([-u[1], u[0]])
        foot = start + float((window.center - start) @ u) * u + (0.14 + size[1] / 2) * inward
        moved = replace(thing, size=size, center=foot, angle=window.angle, elevation=0.02)
        if not any(zone.low < 0.05 and intersect(moved.box, zone) for zone in layout.space.zones):  # before doors
            layout.put(moved, zones=False)


def plants(layout: Layout, count: int) -> None:
    """Plants on the floor, in corners or at walls."""
    for _ in range(count):
        thing = layout.thing("floor plant", again=False, most=(1.1, 1.1, layout.space.height - 0.3))
        if layout.in_corner(thing) is None:
            layout.against(thing)


def wall_lamps(layout: Layout, count: int) -> None:
    """Lamps on the walls above eye height."""
    for _ in range(count):
        layout.against(layout.thing("wall lamp"), elevation=float(layout.rng.uniform(1.6, 1.8)), corner=0.0, zones=True)


def left_about(layout: Layout, count: int) -> None:
    """Things on the floor, most near a wall."""
    for _ in range(count):
        name = "floor things" if layout.chance(0.85) else "big things"
        thing = layout.thing(name, again=False)
        if layout.chance(0.6):
            layout.against(thing)
        else:
            layout.standing(thing)


def seat(layout: Layout, name: str) -> int | None:
    """An armchair or stool standing by itself, in a corner or at a wall."""
    thing = layout.thing(name)
    placed = layout.in_corner(thing)
    return layout.against(thing, free=0.4) if placed is None else placed


def pictures(layout: Layout, count: int) -> None:
    """Pictures at eye height where the wall is free."""
    for _ in range(count):
        thing = layout.thing("picture")
        size = thing.size * [layout.rng.uniform(0.6, 1.9), 1.0, layout.rng.uniform(0.7, 1.8)]
        low = float(layout.rng.uniform(1.55, 1.75)) - float(size[2]) / 2
        layout.against(replace(thing, size=size), elevation=low, corner=0.0, middle=0.3)


def mirror_over(layout: Layout, index: int | None) -> None:
    """A mirror on the wall over a thing that stands against it."""
    if index is None or layout[index].box.high > 1.2:
        return
    base, thing = layout[index], layout.thing("mirror")
    center = base.at(0.0, (base.size[1] - thing.size[1]) / 2)
    layout.put(replace(thing, center=center, angle=base.angle, elevation=max(base.box.high + 0.1, 1.1)))


def rug(layout: Layout, under: int | None = None) -> None:
    """A rug under a thing, or in the middle of the room."""
    thing = layout.thing("rug")
    at, angle, least = _middle(layout), 0.0, np.zeros(2)
    if under is not None:
        base = layout[under]
        at, angle, least = base.at(0.0, float(layout.rng.uniform(-0.3, 0.1))), base.angle, base.size[:2] + 0.3
    for scale in (1.0, 0.8, 0.6):
        size = np.maximum(layout.rng.uniform([1.3, 0.9], [3.0, 2.2]), least) * scale
        moved = replace(thing, size=np.array([*size, 0.012]), center=at, angle=angle)
        if layout.space.fits(moved, zones=False):
            layout.space.add(moved)
            return
