"""Features that a model's are held against: the teacher's own, lifted to a room, or another model's of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np

from chorus.errors import InputError
from chorus.store import Store
from chorus.view.colors import pca_colors
from chorus.view.query import unit

DIFFERENCE = "difference"


class Rows(NamedTuple):
    """features: [N, C] of unit length; valid: [N] bool, where they say something."""

    features: np.ndarray
    valid: np.ndarray

    @classmethod
    def of(cls, features: np.ndarray) -> Rows:
        """All of them valid."""
        return cls(features, np.ones(len(features), bool))


@dataclass(frozen=True)
class Reference:
    """What to compare with, read when first asked for. names: of the reference and of the model held against it."""

    names: tuple[str, str]
    read: Callable[[], Rows]

    @property
    def modes(self) -> tuple[str, str, str]:
        """Of colours: either side along the reference's main directions, and how they differ."""
        return (*self.names, DIFFERENCE)

    def colors(self, mode: str, features: np.ndarray, plain: np.ndarray) -> np.ndarray:
        """[N, 3] in 0..1. features: [N, C] of the model, unit length; plain: [N, 3] where nothing is to be told.

        The difference is 1 - cosine, from 0, plain, to 1 and over, red. Raises InputError for features of another
        width.
        """
        rows = self.read()
        if rows.features.shape != features.shape:
            expected = f"{self.names[0]}'s features of the width of {self.names[1]}'s, {features.shape[1]}"
            raise InputError(mode, expected=expected, got=rows.features.shape[1])
        if mode == self.names[0]:
            return pca_colors(rows.features, rows.valid)
        if mode == self.names[1]:
            return pca_colors(features, like=rows.features[rows.valid])
        apart = (1.0 - (rows.features * features).sum(axis=1)).clip(0.0, 1.0)
        share = np.where(rows.valid, apart, 0.0)[:, None]
        grey = plain.mean(axis=1, keepdims=True) * 0.5 + 0.35
        return (grey * (1.0 - share) + np.array([0.9, 0.1, 0.1]) * share).clip(0.0, 1.0)


def teacher_of(store: Store, scene: str) -> Reference | None:
    """The language teacher lifted to a room of the workspace, where its targets lie there."""
    targets, views = store.scene(scene, "targets"), store.scene(scene, "teacher_views")
    if not (targets.is_dir() and views.is_dir()):
        return None

    @cache  # three modes ask for them, of every new model
    def read() -> Rows:
        from chorus.teachers.lift import targets_of

        lifted = targets_of(store, scene)
        return Rows(unit(lifted.features("lang").numpy()), lifted.valid("lang").numpy())

    return Reference(("teacher", "student"), read)
