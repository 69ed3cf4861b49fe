"""A block of floor cut into the cells of a plan, some of them L-shaped.

Frame: metres, z up. Cells are bounded by the axes of the walls; the floor of a room ends half a wall before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SIZES = {
    "bedroom": (9.0, 20.0, 2.6),
    "living": (15.0, 36.0, 3.4),
    "kitchen": (8.0, 20.0, 2.4),
    "bathroom": (4.6, 11.0, 1.9),
    "dining": (10.0, 20.0, 2.9),
    "office": (8.0, 17.0, 2.4),
    "hall": (7.0, 16.0, 2.2),
}
ARM = 1.5  # m, the least width of an L's arms
_TRIES = 6  # cuts of a block, of which the one that leaves the squarest parts is made


class Unfurnishable(Exception):
    """This draw of a home leads nowhere: the next one may."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A room of the plan: its outline on the axes of the walls, counter-clockwise."""

    kind: str
    axes: np.ndarray  # [P, 2] m

    def floor(self, thickness: float) -> np.ndarray:
        """[P, 2] the outline half a wall further in."""
        before = unit(self.axes - np.roll(self.axes, 1, axis=0))
        after = unit(np.roll(self.axes, -1, axis=0) - self.axes)
        inward = np.stack([-before[:, 1] - after[:, 1], before[:, 0] + after[:, 0]], axis=1)
        return self.axes + thickness / 2 * inward


class Cutter:
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


def unit(v: np.ndarray) -> np.ndarray:
    """Vectors [..., 2] at length 1."""
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def too_narrow(axes: np.ndarray, thickness: float, least: float) -> bool:
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
