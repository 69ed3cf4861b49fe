"""The ways in which people place things: against a wall, beside and before each other, round a table, on top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import numpy as np

from chorus.sources.rooms.catalogue import KINDS
from chorus.sources.rooms.cells import Unfurnishable
from chorus.sources.rooms.space import Placed, Space, angle_facing, intersect
from chorus.sources.rooms.surfaces import Surface, room_on
from chorus.sources.sweethome3d.catalog import CatalogueModel

Found = TypeVar("Found")
_TRIES = 28
_GAP = 0.012  # m between a wall and what stands against it


class Layout:
    """One room being furnished. Every method places a thing where it fits and gives its position in ``space.items``, or
    None where it fits nowhere."""

    def __init__(
        self,
        rng: np.random.Generator,
        space: Space,
        *,
        models: Callable[[str], list[CatalogueModel]],
        surfaces: Callable[[CatalogueModel], list[Surface]],
    ):
        """models: those of a kind, by its name; surfaces: the levels of a model."""
        self.rng, self.space = rng, space
        self._models, self._surfaces = models, surfaces
        self._chosen: dict[str, tuple[CatalogueModel, np.ndarray]] = {}

    def __getitem__(self, index: int) -> Placed:
        return self.space.items[index]

    def chance(self, share: float) -> bool:
        """True as often as ``share``."""
        return bool(self.rng.random() < share)

    def thing(self, name: str, *, most=(np.inf, np.inf, np.inf), again: bool = True) -> Placed:
        """A thing of a kind, not placed yet; the same model for the whole room unless ``again`` is False.

        most [3]: no model larger than that, m. Raises Unfurnishable when all are.
        """
        if not again or name not in self._chosen or (self._chosen[name][1] > most).any():
            fit = [m for m in self._models(name) if (m.size * 0.94 <= most).all()]
            if not fit:
                raise Unfurnishable(f"no {name} is small enough")
            model = fit[int(self.rng.integers(len(fit)))]
            size = np.minimum(model.size * self.rng.uniform(0.94, 1.06) * self.rng.uniform(0.97, 1.03, 3), most)
            self._chosen[name] = (model, size)
        model, size = self._chosen[name]
        return Placed(kind=KINDS[name], model=model, size=size, center=np.zeros(2), angle=0.0)

    def must(self, index: Found | None, what: str) -> Found:
        """What was found. Raises Unfurnishable when there is none."""
        if index is None:
            raise Unfurnishable(f"no place for the {what}")
        return index

    def put(self, thing: Placed, *, zones: bool = True, apart: float = 0.0) -> int | None:
        """Where it is, if it fits."""
        return self.space.add(thing) if self.space.fits(thing, zones=zones, apart=apart) else None

    def against(
        self,
        thing: Placed,
        *,
        free: float = 0.0,
        elevation: float = 0.0,
        corner: float = 0.25,
        zones: bool = True,
        sides: list[int] | None = None,
        middle: float = 0.0,
    ) -> int | None:
        """With its back to a wall, ``free`` metres left before it. corner: how often in a corner; middle: how often in
        the middle of the wall."""
        walls = self.space.sides()
        order = range(len(walls)) if sides is None else sides
        lengths = np.array([max(walls[i][2] - thing.size[0], 0.0) for i in order])
        if lengths.sum() <= 0:
            return None
        for _ in range(_TRIES):
            start, u, length = walls[list(order)[int(self.rng.choice(len(lengths), p=lengths / lengths.sum()))]]
            left = length - thing.size[0]
            draw = self.rng.random()
            at = left * self.rng.random()
            if draw < corner:
                at = _GAP if self.rng.random() < 0.5 else left - _GAP
            elif draw < corner + middle:
                at = left / 2
            if (index := self._back_to(thing, start, u, at, free, elevation, zones)) is not None:
                return index
        return None

    def _back_to(self, thing, start, u, at: float, free: float, elevation: float, zones: bool) -> int | None:
        inward = np.array([-u[1], u[0]])
        center = start + (at + thing.size[0] / 2) * u + (thing.size[1] / 2 + _GAP) * inward
        moved = replace(thing, center=center, angle=angle_facing(inward), elevation=elevation)
        return self._with_free(moved, free, zones)

    def _with_free(self, thing: Placed, free: float, zones: bool) -> int | None:
        """Placed if it fits and the space before it does too."""
        if not self.space.fits(thing, zones=zones):
            return None
        if free > 0:
            before = len(self.space.zones)
            self.space.keep_free(thing, free)
            zone = self.space.zones[before]
            low = replace(zone, low=0.05, half=zone.half - 0.02)
            blocked = any(intersect(low, solid) for other in self.space.items for solid in other.solids)
            if blocked or not self.space.holds(replace(low, high=min(1.9, self.space.height))):
                self.space.zones.pop()
                return None
        return self.space.add(thing)

    def beside(self, index: int, thing: Placed, side: int, *, gap: float = 0.03, back: bool = True) -> int | None:
        """Next to a thing, turned the same way: on its right (1) or left (-1), their backs in line or their middles."""
        base = self[index]
        x = side * (base.size[0] / 2 + gap + thing.size[0] / 2)
        y = (base.size[1] - thing.size[1]) / 2 if back else 0.0
        return self.put(replace(thing, center=base.at(x, y), angle=base.angle, elevation=base.elevation))

    def before(
        self,
        index: int,
        thing: Placed,
        *,
        distance: float,
        shift: float = 0.0,
        turned: float = np.pi,
        zones: bool = True,
    ) -> int | None:
        """In front of a thing at a distance (m; negative: under it), turned towards it by default."""
        base = self[index]
        center = base.at(shift, -(base.size[1] / 2 + distance + thing.size[1] / 2))
        return self.put(replace(thing, center=center, angle=base.angle + turned), zones=zones)

    def around(self, index: int, name: str, *, share: float = 1.0, tuck: float = 0.12) -> list[int]:
        """Chairs at the sides of a table, as many as have room, facing it. tuck: m that they stand under it at most."""
        base, chair = self[index], self.thing(name)
        round_ = base.kind.name == "round table"
        spots = []
        if round_:
            count = int(np.clip(np.pi * base.size[0] / (chair.size[0] + 0.2), 2, 6))
            offset = self.rng.uniform(0, 2 * np.pi)
            turns = offset + 2 * np.pi * np.arange(count) / count
            reach = base.size[0] / 2 + chair.size[1] / 2
            spots = [(t, reach * np.sin(t), -reach * np.cos(t)) for t in turns]
        else:
            for k in range(4):
                along, across = (base.size[0], base.size[1]) if k % 2 == 0 else (base.size[1], base.size[0])
                count = int((along - 0.1) // (chair.size[0] + 0.12)) if k % 2 == 0 or across > 1.1 else 0
                for i in range(count):
                    s, r = along * ((i + 0.5) / count - 0.5), across / 2 + chair.size[1] / 2
                    c, n = np.cos(k * np.pi / 2), np.sin(k * np.pi / 2)
                    spots.append((k * np.pi / 2, c * s + n * r, n * s - c * r))
        placed = []
        for facing, x, y in spots:
            if not self.chance(share):
                continue
            out = self.rng.uniform(-tuck, 0.12)
            away = np.array([x, y]) + out * np.array([np.sin(facing), -np.cos(facing)])
            turned = base.angle + facing + np.pi + self.rng.normal(0, 0.08)
            for angle in (turned, base.angle + facing + np.pi):
                index_ = self.put(replace(chair, center=base.at(*away), angle=angle))
                if index_ is not None:
                    placed.append(index_)
                    break
        return placed

    def standing(self, thing: Placed, *, apart: float = 0.3, angle: float | None = None) -> int | None:
        """Somewhere on the floor, away from everything."""
        low, high = self.space.outline.min(0), self.space.outline.max(0)
        for _ in range(_TRIES):
            turned = float(self.rng.uniform(0, 2 * np.pi)) if angle is None else angle
            moved = replace(thing, center=self.rng.uniform(low, high), angle=turned)
            if (index := self.put(moved, apart=apart)) is not None:
                return index
        return None

    def in_corner(self, thing: Placed) -> int | None:
        """Near a corner of the room, its front towards the middle."""
        outline = self.space.outline
        for i in self.rng.permutation(len(outline)):
            before = outline[i - 1] - outline[i]
            after = outline[(i + 1) % len(outline)] - outline[i]
            if after[0] * before[1] - after[1] * before[0] <= 0:
                continue  # the inner corner of an L
            u = after / np.linalg.norm(after) + before / np.linalg.norm(before)
            reach = max(thing.size[:2]) / 2 + self.rng.uniform(0.03, 0.12)
            turned = angle_facing(u) if np.ptp(thing.size[:2]) < 0.15 else angle_facing(after)
            index = self.put(replace(thing, center=outline[i] + reach * u, angle=turned))
            if index is not None:
                return index
        return None

    def hanging(self, thing: Placed, at: np.ndarray) -> int | None:
        """Under the ceiling."""
        elevation = self.space.height - float(thing.size[2]) - 0.005
        return self.put(replace(thing, center=np.asarray(at), elevation=elevation), zones=False)

    def on(
        self,
        index: int,
        thing: Placed,
        *,
        level: int | None = None,
        turned: float = 0.0,
        at: tuple[float, float] | None = None,
        spread: float = 0.0,
    ) -> int | None:
        """On a thing, or in it: on one of its surfaces (0: the highest; None: any), near (x, y) of its frame when
        ``at`` is given. turned: rad beside the thing's own angle, at random within ``spread``."""
        base = self[index]
        found = self._surfaces(base.model)
        if not found:
            return None
        for _ in range(6):
            surface = found[min(level, len(found) - 1) if level is not None else int(self.rng.integers(len(found)))]
            angle = turned + float(self.rng.uniform(-spread, spread))
            c, s = abs(np.cos(angle)), abs(np.sin(angle))
            wanted = np.array(
                [c * thing.size[0] + s * thing.size[1], s * thing.size[0] + c * thing.size[1], thing.size[2]]
            )
            places = room_on(surface, base.size, wanted)
            if not len(places):
                continue
            best = int(self.rng.integers(len(places)))
            if at is not None:
                best = int(np.linalg.norm(places - at, axis=1).argmin())
            z = base.elevation + (surface.z + 0.5) * float(base.size[2])
            moved = replace(
                thing, center=base.at(*places[best]), angle=base.angle + angle, elevation=z + 0.001, on=index
            )
            if (placed := self.put(moved, zones=False)) is not None:
                return placed
        return None
