"""Splats voting for ground-truth points, with the neighbours of a room looked up once for all methods that share its
places."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from chorus.evaluate import zero_shot
from chorus.evaluate.each import each
from chorus.evaluate.inputs import Field, Room


class Voting:
    """Predictions at ground-truth points. neighbours: splats that vote for a point."""

    def __init__(self, neighbors: int):
        self.neighbors = neighbors
        self._rows: dict[tuple[str, str], np.ndarray] = {}

    def prepare(self, rooms: Sequence[Room]) -> None:
        """Look the neighbours of all fields that speak up now, several rooms at once."""
        each(lambda room: [self.rows(field, room) for field in room.fields.values() if field.lang is not None], rooms)

    def rows(self, field: Field, room: Room) -> np.ndarray:
        """[P, k] rows of the field nearest to each ground-truth point of the room, those that speak, nearest first."""
        key = (
            room.name,
            hashlib.sha1(field.positions.tobytes()).hexdigest() + hashlib.sha1(field.speaks.tobytes()).hexdigest(),
        )
        if key not in self._rows:
            self._rows[key] = zero_shot.nearest(
                field.positions, room.truth.positions, field.speaks, neighbors=self.neighbors
            )
        return self._rows[key]

    def spread(self, labels: np.ndarray, field: Field, room: Room, *, classes: int) -> np.ndarray:
        """[P] class of each ground-truth point by the vote of labels [N] of the field's places."""
        return zero_shot.vote(labels, self.rows(field, room), classes)

    def zero_shot(self, field: Field, room: Room, text: np.ndarray) -> np.ndarray:
        """[P] class of each ground-truth point by the nearest words of the field's features."""
        return self.spread(zero_shot.classify(field.words, text, field.speaks), field, room, classes=len(text))
