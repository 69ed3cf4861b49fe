"""Where the rooms of a plan touch each other and the outside, and the doors and windows there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chorus.sources.rooms.cells import Cell, Unfurnishable, unit

DOOR = 1.15  # m of wall that a door takes, its casing and a little wall at both sides


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A straight piece of an axis that a room shares with another, or with the outside (``other`` -1)."""

    room: int
    other: int
    start: np.ndarray  # [2] m; the room lies to the left of start -> end
    end: np.ndarray  # [2] m

    @property
    def length(self) -> float:
        """Metres."""
        return float(np.linalg.norm(self.end - self.start))


@dataclass(frozen=True, kw_only=True)
class Opening:
    """A place in a wall for a door or window."""

    kind: str  # door | open door | door frame | sliding door | front door | window | high window | french window
    room: int  # its front faces this room
    other: int  # -1: the outside
    center: np.ndarray  # [2] m, on the wall's axis
    angle: float  # rad; -y of the opening points into ``room``
    span: float  # m of wall there is for it


def shared(cells: tuple[Cell, ...]) -> list[Stretch]:
    """Every stretch of every room's outline, by what lies on its other side."""
    found = []
    for i, cell in enumerate(cells):
        for start, end in zip(cell.axes, np.roll(cell.axes, -1, axis=0), strict=True):
            length = float(np.linalg.norm(end - start))
            u = (end - start) / length
            taken = []
            for j, other in enumerate(cells):
                if j != i:
                    taken += [(a, b, j) for a, b in _covered(other.axes, start, u, length)]
            found += [
                Stretch(room=i, other=j, start=start + a * u, end=start + b * u)
                for a, b, j in [*taken, *_gaps(taken, length)]
            ]
    return found


def _covered(axes: np.ndarray, start: np.ndarray, u: np.ndarray, length: float) -> list[tuple[float, float]]:
    """Intervals of the line from ``start`` along u that sides of another outline run along, the other way round."""
    intervals = []
    normal = np.array([-u[1], u[0]])
    for a, b in zip(axes, np.roll(axes, -1, axis=0), strict=True):
        if abs((a - start) @ normal) < 1e-6 and abs((b - start) @ normal) < 1e-6 and (b - a) @ u < 0:
            low, high = max(float((b - start) @ u), 0.0), min(float((a - start) @ u), length)
            if high - low > 1e-6:
                intervals.append((low, high))
    return intervals


def _gaps(taken: list[tuple[float, float, int]], length: float) -> list[tuple[float, float, int]]:
    """What of 0..length no interval takes, as the outside's."""
    edges, at = [], 0.0
    for a, b, _ in sorted(taken):
        if a - at > 1e-6:
            edges.append((at, a, -1))
        at = max(at, b)
    return [*edges, (at, length, -1)] if length - at > 1e-6 else edges


def _opening(rng, stretch: Stretch, kind: str, *, span: float, at: float, swap: bool = False) -> Opening:
    """An opening ``at`` metres along a stretch; swap: its front faces the other room."""
    u = unit(stretch.end - stretch.start)
    room, other = (stretch.other, stretch.room) if swap else (stretch.room, stretch.other)
    inward = np.array([-u[1], u[0]]) * (-1.0 if swap else 1.0)
    return Opening(
        kind=kind,
        room=room,
        other=other,
        center=stretch.start + at * u,
        angle=float(np.arctan2(inward[0], -inward[1])),
        span=span,
    )


def draw_doors(rng, cells: tuple[Cell, ...], stretches: list[Stretch], thickness: float) -> list[Opening]:
    """Doors that join all rooms into one home, few of them through a bathroom, and some more.
    Raises Unfurnishable when
    two rooms share too little wall."""
    fit = [s for s in stretches if 0 <= s.room < s.other and s.length > DOOR + thickness]
    private = [cell.kind in ("bathroom", "bedroom") for cell in cells]
    cost = [rng.random() + 2.0 * (private[s.room] + private[s.other] - 1) for s in fit]
    group = list(range(len(cells)))
    doors = []
    for i in np.argsort(cost, kind="stable"):
        s = fit[i]
        if group[s.room] != group[s.other]:
            group = [group[s.room] if g == group[s.other] else g for g in group]
        elif "bathroom" in (cells[s.room].kind, cells[s.other].kind) or rng.random() > 0.25:
            continue
        if any({d.room, d.other} == {s.room, s.other} for d in doors):
            continue
        bath = "bathroom" in (cells[s.room].kind, cells[s.other].kind)
        kind = str(rng.choice(["door", "open door", "door frame", "sliding door"], p=(0.5, 0.25, 0.2, 0.05)))
        doors.append(
            _opening(
                rng,
                s,
                "door" if bath and kind == "door frame" else kind,
                span=DOOR - 0.15,
                at=_near_an_end(rng, s.length, DOOR + thickness),
                swap=bool(rng.random() < 0.5),
            )
        )
    if len(set(group)) > 1:
        raise Unfurnishable("rooms that no door joins")
    return doors


def _near_an_end(rng, length: float, width: float) -> float:
    """Where a door of a width stands on a wall: mostly near a corner, which leaves the rest of the wall free."""
    free = length - width
    at = free * rng.random() if rng.random() < 0.35 else min(free, rng.uniform(0.0, 0.35))
    return width / 2 + (at if rng.random() < 0.5 else free - at)


def draw_windows(rng, cells: tuple[Cell, ...], stretches: list[Stretch], thickness: float) -> list[Opening]:
    """Windows on the outer stretches."""
    found = []
    for s in stretches:
        if s.other >= 0 or s.length < 1.1 + thickness:
            continue
        kind = cells[s.room].kind
        count = int(np.clip(round(s.length / rng.uniform(2.0, 3.6)), 1, 3))
        span = (s.length - thickness) / count
        for i in range(count):
            if rng.random() > {"bathroom": 0.45, "hall": 0.4}.get(kind, 0.75):
                continue
            what = "window"
            if kind == "bathroom" or rng.random() < 0.06:
                what = "high window"
            elif kind in ("living", "dining", "bedroom") and rng.random() < 0.22:
                what = "french window"
            at = thickness / 2 + span * (i + 0.5) + rng.uniform(-0.14, 0.14)
            found.append(_opening(rng, s, what, span=span - 0.3, at=at))
    return found


def with_front_door(rng, cells, openings, stretches: list[Stretch], thickness: float) -> tuple[Opening, ...]:
    """The openings with the home's own door: in the hall, or else where people come in, instead of windows there."""
    order = ("hall", "living", "kitchen", "dining", "office", "bedroom", "bathroom")
    outer = [s for s in stretches if s.other < 0 and s.length > DOOR + 0.15 + thickness]
    if not outer:
        raise Unfurnishable("no outer wall for a door")
    doors = [o for o in openings if o.other >= 0]
    for s in sorted(outer, key=lambda s: (order.index(cells[s.room].kind), rng.random())):
        door = _opening(rng, s, "front door", span=DOOR, at=_near_an_end(rng, s.length, DOOR + 0.15 + thickness))
        if not any(_close(o, door) for o in doors):
            return (*(o for o in openings if not _close(o, door)), door)
    raise Unfurnishable("no place for a front door")


def _close(a: Opening, b: Opening) -> bool:
    """Whether two openings would touch."""
    return bool(np.linalg.norm(a.center - b.center) < (a.span + b.span) / 2 + 0.25)
