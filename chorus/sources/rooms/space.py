"""What stands where in one room, as oriented boxes: whether another thing fits."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from chorus.sources.rooms.catalogue import Kind
from chorus.sources.sweethome3d.catalog import CatalogueModel
from chorus.sources.sweethome3d.geometry import inside

SLACK = 0.006  # m that boxes may share before they count as intersecting
_SEAT, _BACK = 0.56, 0.30  # of a chair: m up to which it goes under a table; share of its depth that is the back
_TOP = 0.14  # m; a table is its top, things go under it


@dataclass(frozen=True, kw_only=True)
class Box:
    """Upright box turned about the vertical."""

    center: np.ndarray  # [2] m
    half: np.ndarray  # [2] m, along its own x and y
    angle: float  # rad
    low: float  # m above the floor
    high: float

    def corners(self) -> np.ndarray:
        """[4, 2] counter-clockwise."""
        signs = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
        return self.center + (signs * self.half) @ turn(self.angle).T


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A thing in its place. Its front is -y of its own frame."""

    kind: Kind
    model: CatalogueModel
    size: np.ndarray  # [3] width, depth, height, m
    center: np.ndarray  # [2] m
    angle: float  # rad
    elevation: float = 0.0  # m above the floor
    on: int = -1  # position of what it stands on or in, -1: the floor, a wall or the ceiling

    @cached_property
    def box(self) -> Box:
        """Its bounds."""
        return Box(
            center=self.center,
            half=self.size[:2] / 2,
            angle=self.angle,
            low=self.elevation,
            high=self.elevation + float(self.size[2]),
        )

    @cached_property
    def reach(self) -> float:
        """m from its middle to the corners of its bounds in the plan."""
        return float(np.hypot(self.size[0], self.size[1])) / 2

    @cached_property
    def solids(self) -> list[Box]:
        """The parts of its bounds that nothing else may enter: of a table its top, of a chair seat and back, of a rug
        none."""
        box = self.box
        if self.kind.name == "rug":
            return []
        if self.kind.under:
            return [_part(box, low=max(box.high - _TOP, box.low))]
        if self.kind.name in _TUCKED and box.high - box.low > _SEAT:
            back = self.at(0.0, float(self.size[1]) * (0.5 - _BACK / 2))
            rear = Box(center=back, half=box.half * [1.0, _BACK], angle=self.angle, low=box.low + _SEAT, high=box.high)
            return [_part(box, high=box.low + _SEAT), rear]
        return [box]

    def at(self, x: float, y: float) -> np.ndarray:
        """[2] the room's point at (x, y) of its own frame."""
        return self.center + turn(self.angle) @ [x, y]


_TUCKED = ("chair", "desk chair")


def _part(box: Box, *, low: float | None = None, high: float | None = None) -> Box:
    return Box(
        center=box.center,
        half=box.half,
        angle=box.angle,
        low=box.low if low is None else low,
        high=box.high if high is None else high,
    )


def turn(angle: float) -> np.ndarray:
    """[2, 2] counter-clockwise."""
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]])


def angle_facing(direction: np.ndarray) -> float:
    """rad: a thing at this angle has its front towards ``direction`` [2]."""
    return float(np.arctan2(direction[0], -direction[1]))


def intersect(a: Box, b: Box, *, slack: float = SLACK) -> bool:
    """Whether two boxes share more than ``slack`` metres in every direction: separating axes."""
    if min(a.high, b.high) - max(a.low, b.low) <= slack:
        return False
    (x, y), (ax, ay), (bx, by) = (b.center - a.center).tolist(), a.half.tolist(), b.half.tolist()
    c, s = abs(math.cos(b.angle - a.angle)), abs(math.sin(b.angle - a.angle))
    for angle, (px, py), (qx, qy) in ((a.angle, (ax, ay), (bx, by)), (b.angle, (bx, by), (ax, ay))):
        along, across = math.cos(angle), math.sin(angle)
        if abs(along * x + across * y) >= px + c * qx + s * qy - slack:
            return False
        if abs(along * y - across * x) >= py + s * qx + c * qy - slack:
            return False
    return True


@dataclass(kw_only=True)
class Space:
    """A room being furnished."""

    outline: np.ndarray  # [P, 2] m, counter-clockwise
    height: float
    items: list[Placed] = field(default_factory=list)
    zones: list[Box] = field(default_factory=list)  # to be left free: before doors, windows and cupboards

    def sides(self) -> list[tuple[np.ndarray, np.ndarray, float]]:
        """(start, unit direction, length) of every wall, the room on its left."""
        steps = np.roll(self.outline, -1, axis=0) - self.outline
        lengths = np.linalg.norm(steps, axis=1)
        return [(p, s / n, float(n)) for p, s, n in zip(self.outline, steps, lengths, strict=True)]

    def holds(self, box: Box) -> bool:
        """Whether a box lies inside the walls, the floor and the ceiling."""
        if box.low < -1e-6 or box.high > self.height + 1e-6:
            return False
        corners = replace(box, half=box.half - 1e-3).corners()
        if (corners.min(0) < self.outline.min(0)).any() or (corners.max(0) > self.outline.max(0)).any():
            return False
        if len(self.outline) == 4:
            return True
        return bool(inside(corners, self.outline).all()) and not inside(self.outline, corners).any()

    def fits(self, thing: Placed, *, zones: bool = True, apart: float = 0.0) -> bool:
        """Whether a thing may stand there: within the room, in nothing else, and in no zone to be left free.

        apart: metres to stay away from other things on the same level. What it stands on does not count.
        """
        box = thing.box
        if thing.kind.name == "stairs":
            box = replace(box, high=min(box.high, self.height))  # they go on above the ceiling
        if not self.holds(box):
            return False
        solids = [_grown(s, apart) for s in thing.solids]
        for i, other in enumerate(self.items):
            x, y = other.center - thing.center
            if i == thing.on or x * x + y * y > (thing.reach + other.reach + 2 * apart) ** 2:
                continue
            if any(intersect(a, b) for a in solids for b in other.solids):
                return False
        return not zones or not any(intersect(thing.box, zone) for zone in self.zones)

    def add(self, thing: Placed) -> int:
        """Its position among the items."""
        self.items.append(thing)
        return len(self.items) - 1

    def keep_free(self, thing: Placed, depth: float, *, margin: float = 0.0) -> None:
        """Nothing may stand ``depth`` metres before a thing's front any more."""
        middle = thing.at(0.0, -(float(thing.size[1]) + depth) / 2)
        half = np.array([thing.size[0] / 2 + margin, depth / 2])
        self.zones.append(Box(center=middle, half=half, angle=thing.angle, low=0.0, high=1.9))


def _grown(box: Box, by: float) -> Box:
    return box if by == 0 else Box(center=box.center, half=box.half + by, angle=box.angle, low=box.low, high=box.high)
