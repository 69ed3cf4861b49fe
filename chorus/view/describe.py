"""What a room holds: things with names, sizes, places and relations, found by the names a search knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chorus.scene import GaussianScene
from chorus.view.ask import Search
from chorus.view.clusters import components, spacing
from chorus.view.relations import Box, Relation, Room, relations, room_of, walls_of
from chorus.view.render import SOLID
from chorus.view.vocabulary import HELD, SHELL

SURE = 0.35  # mean share of a thing's name, below which it is not told
LEAST = 0.002  # share of the scene's Gaussians
FEW = 24  # Gaussians of a thing, at least


@dataclass(frozen=True, kw_only=True)
class Thing:
    """name: of the vocabulary; score: mean share in 0..1; rows: its Gaussians; box: in the room's axes, the middle
    96 %; position: [3] its center, in the scene's frame; walls: sides it stands against."""

    name: str
    score: float
    rows: np.ndarray
    box: Box
    position: np.ndarray
    walls: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Description:
    """relations: of each thing, to the others by their row in ``things``, which are sorted from large to small."""

    scene: GaussianScene
    room: Room
    things: list[Thing]
    relations: list[list[Relation]]

    @property
    def unit(self) -> str:
        """Of lengths: m, or units where nothing says what they are."""
        return self.scene.frame.label

    def to_json(self) -> dict[str, Any]:
        """Plain JSON. Positions are in the coordinates of the scene's file, sizes along the room's axes."""
        return {
            "unit": self.unit,
            "room": {"size": _rounded(self.room.box.size), "angle_deg": round(float(np.rad2deg(self.room.angle)), 1)},
            "things": [
                {
                    "name": thing.name,
                    "score": round(thing.score, 3),
                    "position": _rounded(self.scene.frame.to_file(thing.position)),
                    "size": _rounded(thing.box.size),
                    "walls": list(thing.walls),
                    "relations": [{"is": found.kind, "of": list(found.of)} for found in held],
                    "gaussians": len(thing.rows),
                }
                for thing, held in zip(self.things, self.relations, strict=True)
            ],
        }


def describe(search: Search) -> Description:
    """The things of a room: connected Gaussians that are most likely the same of all that rooms hold."""
    best, share = search.named()
    labels = np.where(search.scene.opacities.detach().cpu().numpy() > SOLID, best, -1)
    return arrange(search.scene, labels, share, names=HELD)


def arrange(scene: GaussianScene, labels: np.ndarray, share: np.ndarray, *, names: Sequence[str]) -> Description:
    """A description from the name of every Gaussian. labels: [N] into names, negative for none; share: [N] in 0..1;
    names: wall, floor and ceiling among them, by which the room itself is found."""
    positions = scene.means.detach().cpu().numpy().astype(np.float64)
    structure = np.isin(labels, [names.index(name) for name in SHELL if name in names])
    room = room_of(positions[structure] if structure.sum() >= FEW else positions)
    things = sorted(_things(room, positions, labels, share, names), key=lambda thing: -float(np.prod(thing.box.size)))
    return Description(
        scene=scene, room=room, things=things, relations=relations([thing.box for thing in things], room)
    )


def _things(
    room: Room, positions: np.ndarray, labels: np.ndarray, share: np.ndarray, names: Sequence[str]
) -> list[Thing]:
    loose = np.where(np.isin(labels, [i for i, name in enumerate(names) if name in SHELL]), -1, labels)
    least = max(FEW, int(LEAST * len(positions)))
    group = components(positions, loose, cell=2.0 * spacing(positions), least=least)
    turned, found = room.turned(positions), []
    for number in range(group.max() + 1):
        rows = np.flatnonzero(group == number)
        score = float(share[rows].mean())
        if score < SURE:
            continue
        low, high = np.percentile(turned[rows], [2, 98], axis=0)
        box, name = Box(low, high), names[int(labels[rows[0]])]
        if not _in_room(box, room):
            continue
        place = np.median(positions[rows], axis=0)
        found.append(Thing(name=name, score=score, rows=rows, box=box, position=place, walls=walls_of(box, room)))
    return found


def _in_room(box: Box, room: Room) -> bool:
    """Whether its middle lies in the room: what shows through an open door is another room's."""
    margin = room.touching
    return bool(((box.center > room.box.low - margin) & (box.center < room.box.high + margin)).all())


def _rounded(values: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in values]
