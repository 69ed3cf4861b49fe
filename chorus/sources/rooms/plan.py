"""Floor plans: one to six rooms cut from a rectangle, some of them L-shaped, with the walls, doors and windows between.

Frame: metres, z up. Cells are bounded by the axes of the walls; the floor of a room ends half a wall before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chorus.sources.sweethome3d.home_xml import Wall

# kind -> (smallest and largest area in m2, shortest side in m)
SIZES = {
    "bedroom": (9.0, 20.0, 2.6),
    "living": (15.0, 36.0, 3.4),
    "kitchen": (8.0, 20.0, 2.4),
    "bathroom": (4.6, 11.0, 1.9),
    "dining": (10.0, 20.0, 2.9),
    "office": (8.0, 17.0, 2.4),
    "hall": (7.0, 16.0, 2.2),
}
MOST_ROOMS = 6
ARM = 1.5  # m, the least width of an L's arms
_TRIES = 6  # cuts of a block, of which the one that leaves the squarest parts is made
DOOR = 1.15  # m of wall that a door takes, its casing and a little wall at both sides


class Unfurnishable(Exception):
    """This draw of a home leads nowhere: the next one may."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A room of the plan: its outline on the axes of the walls, counter-clockwise."""

    kind: str
    axes: np.ndarray  # [P, 2] m

    def floor(self, thickness: float) -> np.ndarray:
        """[P, 2] the outline half a wall further in."""
        before = _unit(self.axes - np.roll(self.axes, 1, axis=0))
        after = _unit(np.roll(self.axes, -1, axis=0) - self.axes)
        inward = np.stack([-before[:, 1] - after[:, 1], before[:, 0] + after[:, 0]], axis=1)
        return self.axes + thickness / 2 * inward


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


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A home on one level. The first cell is the room to be captured."""

    cells: tuple[Cell, ...]
    walls: tuple[Wall, ...]
    openings: tuple[Opening, ...]
    height: float
    thickness: float


def draw_plan(rng: np.random.Generator, kind: str) -> Plan:
    """A home with a room of a kind among one to six. Raises Unfurnishable when a draw leaves a room too narrow or
    without a door."""
    kinds = [kind, *_others(rng, kind, int(rng.choice(MOST_ROOMS, p=(0.14, 0.16, 0.22, 0.2, 0.16, 0.12))))]
    areas = np.array([rng.uniform(SIZES[k][0], SIZES[k][1]) for k in kinds])
    thickness, height = float(rng.uniform(0.10, 0.22)), float(rng.uniform(2.35, 3.1))
    aspect = rng.uniform(0.75, 1.5)
    width = np.sqrt(areas.sum() * aspect)
    block = np.array([0.0, 0.0, width, areas.sum() / width])
    cutter = _Cutter(rng, kinds, areas)
    cutter.outline(block)
    cells = tuple(Cell(kind=k, axes=cutter.cells[i]) for i, k in enumerate(kinds))
    for cell in cells:
        if _too_narrow(cell.axes, thickness, SIZES[cell.kind][2]):
            raise Unfurnishable("a room too narrow")
    stretches = shared(cells)
    openings = (*_doors(rng, cells, stretches, thickness), *_windows(rng, cells, stretches, thickness))
    return Plan(
        cells=cells,
        walls=_walls(cutter.chains, thickness, height),
        openings=_front_door(rng, cells, openings, stretches, thickness),
        height=height,
        thickness=thickness,
    )


def _others(rng: np.random.Generator, kind: str, count: int) -> list[str]:
    """Kinds of the other rooms: what a home needs first, none but bedrooms twice."""
    wanted = [k for k in ("living", "bathroom", "kitchen", "bedroom", "hall", "office", "dining") if k != kind]
    shuffled = sorted(wanted, key=lambda k: wanted.index(k) + rng.uniform(0, 4))
    shuffled.insert(4, "bedroom")
    return shuffled[:count]


class _Cutter:
    """Cuts a block into cells, keeping the walls it draws as chains of points."""

    def __init__(self, rng: np.random.Generator, kinds: list[str], areas: np.ndarray):
        self.rng, self.kinds, self.areas = rng, kinds, areas
        self.cells: dict[int, np.ndarray] = {}
        self.chains: list[tuple[np.ndarray, bool]] = []  # points of a run of joined walls; whether it closes

    def outline(self, block: np.ndarray) -> None:
        """The whole home; one room alone may be an L whose missing corner lies outside."""
        if len(self.kinds) == 1 and self.rng.random() < 0.3:
            grown = block * np.sqrt(1.25)
            _, ell = self._corner(grown, 0.2 * float(np.prod(grown[2:])))
            self.cells[0] = ell
            self.chains.append((ell, True))
            return
        self.chains.append((_rectangle(block), True))
        self._cut(block, list(self.rng.permutation(len(self.kinds))))

    def _cut(self, block: np.ndarray, rooms: list[int]) -> None:
        if len(rooms) == 1:
            self.cells[rooms[0]] = _rectangle(block)
            return
        if len(rooms) == 2:
            small, large = sorted(rooms, key=lambda r: self.areas[r])
            share = self.areas[small] / self.areas[rooms].sum()
            if share < 0.4 and self.rng.random() < 0.7:
                area = share * float(np.prod(block[2:] - block[:2]))
                self.cells[small], self.cells[large] = self._corner(block, area)
                corner = self.cells[small]
                self.chains.append((corner[1:4], False))
                return
        low, high, first, second = min((self._halved(block, rooms) for _ in range(_TRIES)), key=_longish)
        self.chains.append((np.array([high[:2], low[2:]]), False))
        self._cut(low, first)
        self._cut(high, second)

    def _halved(self, block: np.ndarray, rooms: list[int]):
        """(block, block, rooms of the one, rooms of the other): a random cut across the longer side."""
        rooms = list(self.rng.permutation(rooms))
        first = int(self.rng.integers(1, len(rooms)))
        share = self.areas[rooms[:first]].sum() / self.areas[rooms].sum()
        size = block[2:] - block[:2]
        axis = int(size[1] > size[0])
        low, high = block.copy(), block.copy()
        low[2 + axis] = high[axis] = block[axis] + share * size[axis]
        return low, high, rooms[:first], rooms[first:]

    def _corner(self, block: np.ndarray, area: float) -> tuple[np.ndarray, np.ndarray]:
        """(rectangle of an area in a corner of the block, counter-clockwise from that corner; the L that is left)."""
        low, high = block[:2], block[2:]
        size = high - low
        width = float(np.clip(np.sqrt(area * self.rng.uniform(0.7, 1.4)), area / (0.62 * size[1]), 0.62 * size[0]))
        depth = area / width
        if depth > 0.66 * size[1]:
            raise Unfurnishable("a corner that fills its block")
        x, y = low[0] + width, low[1] + depth
        corner = np.array([[low[0], low[1]], [x, low[1]], [x, y], [low[0], y]])
        ell = np.array([[x, low[1]], [high[0], low[1]], [high[0], high[1]], [low[0], high[1]], [low[0], y], [x, y]])
        for axis in range(2):
            if self.rng.random() < 0.5:  # mirrored, and turned round again to stay counter-clockwise
                corner, ell = (_mirrored(part, axis, float(low[axis] + high[axis])) for part in (corner, ell))
        return corner, ell


def _longish(halves) -> float:
    """How far the blocks of a cut are from square, the longer of the two."""
    low, high, first, second = halves
    sides = [(part[2:] - part[:2], len(rooms)) for part, rooms in ((low, first), (high, second))]
    return max(float(max(side) / min(side)) / (1.0 if count == 1 else 1.3) for side, count in sides)


def _mirrored(points: np.ndarray, axis: int, total: float) -> np.ndarray:
    points = points.copy()
    points[:, axis] = total - points[:, axis]
    return np.concatenate([points[:1], points[:0:-1]])


def _rectangle(block: np.ndarray) -> np.ndarray:
    x0, y0, x1, y1 = block
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def _too_narrow(axes: np.ndarray, thickness: float, least: float) -> bool:
    """Whether a rectangle is narrower than ``least`` metres inside, or an L as a whole, or one of its arms than ARM."""
    whole = float((axes.max(0) - axes.min(0)).min()) - thickness
    arms = np.linalg.norm(np.roll(axes, -1, axis=0) - axes, axis=1) - thickness
    if len(axes) > 4:
        turns = [_convex(axes, i) for i in range(len(axes))]
        arms = [arm for i, arm in enumerate(arms) if turns[i] and turns[(i + 1) % len(axes)]]
    return whole < least or min(arms) < ARM


def _convex(axes: np.ndarray, i: int) -> bool:
    before, after = axes[i] - axes[i - 1], axes[(i + 1) % len(axes)] - axes[i]
    return bool(before[0] * after[1] - before[1] * after[0] > 0)


def _walls(chains: list[tuple[np.ndarray, bool]], thickness: float, height: float) -> tuple[Wall, ...]:
    """A wall for every step of every chain, joined to the steps before and after."""
    walls = []
    for number, (points, closed) in enumerate(chains):
        count = len(points) if closed else len(points) - 1
        for i in range(count):
            before, after = (i - 1) % count if closed else i - 1, (i + 1) % count if closed else i + 1
            walls.append(
                Wall(
                    id=f"{number}.{i}",
                    level="",
                    start=points[i],
                    end=points[(i + 1) % len(points)],
                    thickness=thickness,
                    height_start=height,
                    height_end=height,
                    arc=0.0,
                    left_color=None,
                    right_color=None,
                    at_start=f"{number}.{before}" if before >= 0 else None,
                    at_end=f"{number}.{after}" if after < count else None,
                )
            )
    return tuple(walls)


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
    u = _unit(stretch.end - stretch.start)
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


def _doors(rng, cells: tuple[Cell, ...], stretches: list[Stretch], thickness: float) -> list[Opening]:
    """Doors that join all rooms into one home, few of them through a bathroom, and some more. Raises Unfurnishable when
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


def _windows(rng, cells: tuple[Cell, ...], stretches: list[Stretch], thickness: float) -> list[Opening]:
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


def _front_door(rng, cells, openings, stretches: list[Stretch], thickness: float) -> tuple[Opening, ...]:
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
