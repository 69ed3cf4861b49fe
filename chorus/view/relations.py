"""How things stand to each other and to the room, from their boxes alone: on, under, above, beside, between, against.

A room is described in its own axes: turned about the vertical so that its walls run along x and y. Lengths are metres,
or units where the scene's unit is unknown; what counts as touching is a share of the room's height, so it needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

TOUCHING = 0.06  # of the room's height: 15 cm of 2.5 m
BESIDE = 3.0  # touching lengths: 45 cm
BETWEEN = 6.0  # touching lengths a neighbor may be away on either side: 90 cm
COVERED = 0.5  # share of a thing's sides that must lie over or under another
STEP = np.deg2rad(1.0)
STRAIGHT = 0.97  # a turned frame must be so much smaller than the scene's own axes
SIDES = ("west", "east", "south", "north")  # low x, high x, low y, high y


class Box(NamedTuple):
    """low, high: [3] corners in the room's axes."""

    low: np.ndarray
    high: np.ndarray

    @property
    def size(self) -> np.ndarray:
        return self.high - self.low

    @property
    def center(self) -> np.ndarray:
        return (self.low + self.high) / 2


class Relation(NamedTuple):
    """kind: on | under | above | beside | between; of: rows of the things it holds with."""

    kind: str
    of: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Room:
    """box: floor to ceiling, in axes turned by ``angle`` (radians, counter-clockwise from the scene's x)."""

    box: Box
    angle: float

    @property
    def touching(self) -> float:
        """The gap up to which two things touch."""
        return TOUCHING * float(self.box.size[2])

    def turned(self, positions: np.ndarray) -> np.ndarray:
        """[N, 3] in the room's axes, of positions [N, 3] in the scene's."""
        return _turned(positions, self.angle)


def room_of(structure: np.ndarray) -> Room:
    """The room that places [N, 3] on its walls, floor and ceiling enclose: the rectangle of least area around the
    middle 96 % of them; the scene's own axes unless another frame is clearly smaller."""
    angles = np.arange(0.0, np.pi / 2, STEP)
    areas = np.array([np.prod(_reach(_turned(structure, angle))[1][:2]) for angle in angles])
    angle = float(angles[areas.argmin()]) if areas.min() < STRAIGHT * areas[0] else 0.0
    if angle > np.pi / 4:
        angle -= np.pi / 2  # so that north stays as near to the scene's y as it can
    low, size = _reach(_turned(structure, angle))
    return Room(box=Box(low, low + np.maximum(size, 1e-6)), angle=angle)


def _turned(positions: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return positions @ np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])


def _reach(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.percentile(places, [2, 98], axis=0)
    return low, high - low


def walls_of(box: Box, room: Room) -> tuple[str, ...]:
    """The sides of the room that a box stands against, at most two: then it stands in a corner."""
    near = 2.0 * room.touching
    gaps = [box.low[0] - room.box.low[0], room.box.high[0] - box.high[0]]
    gaps += [box.low[1] - room.box.low[1], room.box.high[1] - box.high[1]]
    pairs = (0, 1), (2, 3)  # of two opposite walls the nearer counts: a thing as wide as the room has its back to one
    nearest = [min(pair, key=lambda side: gaps[side]) for pair in pairs]
    return tuple(SIDES[side] for side in sorted(nearest, reverse=True) if gaps[side] < near)


def relations(boxes: list[Box], room: Room) -> list[list[Relation]]:
    """Of each box to the others, what holds it first: on, under and above, between, then beside from near to far."""
    return [_of(i, boxes, room.touching) for i in range(len(boxes))]


def _of(i: int, boxes: list[Box], touching: float) -> list[Relation]:
    box, others = boxes[i], [j for j in range(len(boxes)) if j != i]
    found = [
        Relation(kind, (j,))
        for kind, holds in (("on", is_on), ("under", is_under), ("above", is_above))
        for j in others
        if holds(box, boxes[j], touching)
    ]
    stacked = {j for relation in found for j in relation.of}
    level = [j for j in others if j not in stacked and _level(box, boxes[j])]
    near = {j: gap(box, boxes[j]) for j in level}
    between = [
        Relation("between", (j, k))
        for j in level
        for k in level
        if j < k and max(near[j], near[k]) <= BETWEEN * touching and is_between(box, boxes[j], boxes[k])
    ]
    found += sorted(between, key=lambda relation: sum(near[j] for j in relation.of))
    beside = [j for j in level if near[j] <= BESIDE * touching]
    return found + [Relation("beside", (j,)) for j in sorted(beside, key=lambda j: near[j])]


def is_on(box: Box, other: Box, touching: float) -> bool:
    """Whether it stands on the other: its foot at the other's top, its middle over it, and not much larger."""
    inside = ((box.center > other.low) & (box.center < other.high))[:2].all()
    smaller = np.prod(box.size[:2]) <= 1.2 * np.prod(other.size[:2])
    return bool(inside and smaller and abs(box.low[2] - other.high[2]) <= touching)


def is_under(box: Box, other: Box, touching: float) -> bool:
    """Whether it is below the other, most of its footprint covered, and the other does not stand on it."""
    return _covers(other, box, touching) and box.high[2] <= other.low[2] + touching and not is_on(other, box, touching)


def is_above(box: Box, other: Box, touching: float) -> bool:
    """Whether it hangs or lies over the other, clear of it."""
    return _covers(other, box, touching) and box.low[2] > other.high[2] + touching


def _covers(other: Box, box: Box, touching: float) -> bool:
    """Whether most of each horizontal side of a box lies within the other's, which may be as thin as a window."""
    low, high = np.maximum(box.low, other.low - touching), np.minimum(box.high, other.high + touching)
    return bool(((high - low)[:2] >= COVERED * box.size[:2]).all())


def is_between(box: Box, first: Box, second: Box) -> bool:
    """Whether its middle lies near the line between the two, in the middle half, seen from above."""
    start, line = first.center[:2], (second.center - first.center)[:2]
    length = float(line @ line)
    if length < 1e-12:
        return False
    along = float((box.center[:2] - start) @ line) / length
    off = np.linalg.norm(box.center[:2] - start - along * line)
    return 0.25 <= along <= 0.75 and bool(off <= 0.5 * max(*box.size[:2], *first.size[:2], *second.size[:2]))


def gap(box: Box, other: Box) -> float:
    """Distance between two boxes seen from above; 0 where they overlap."""
    apart = np.maximum(0.0, np.maximum(box.low - other.high, other.low - box.high))[:2]
    return float(np.linalg.norm(apart))


def _level(box: Box, other: Box) -> bool:
    """Whether they share some height."""
    return bool(min(box.high[2], other.high[2]) > max(box.low[2], other.low[2]))
