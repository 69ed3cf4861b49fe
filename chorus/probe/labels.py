"""Labels a probe learns from: paired with what they are of, and thinned to few by seed.

A smaller choice of the same seed is part of every larger one, so that more labels are never other labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from chorus.errors import InputError

SHARES = (0.01, 0.05, 0.1, 0.2, 1.0)  # of the rooms
POINTS = (20, 50, 100, 200)  # a room


def few_rooms(count: int, share: float, *, seed: int) -> list[int]:
    """Numbers, ascending, of ``share`` of ``count`` rooms, rounded, at least one. Raises InputError for a share outside
    0 to 1, or no room."""
    if not 0 < share <= 1 or count < 1:
        raise InputError("few rooms", expected="a share above 0, to 1, of 1 room or more", got=f"{share} of {count}")
    order = np.random.default_rng([seed, count]).permutation(count)
    return sorted(int(room) for room in order[: max(1, round(share * count))])


def few_points(labels: np.ndarray, count: int, *, seed: int) -> np.ndarray:
    """Class ids [N] of a room with at most ``count`` left of those that are not negative, -1 elsewhere. Raises
    InputError for no point."""
    if count < 1:
        raise InputError("few points", expected="1 or more a room", got=count)
    labels = np.asarray(labels)
    known = np.flatnonzero(labels >= 0)
    kept = np.random.default_rng([seed, len(labels)]).permutation(known)[:count]
    found = np.full(labels.shape, -1, labels.dtype if labels.dtype.kind == "i" else np.int64)
    found[kept] = labels[kept]
    return found


def sample_rows(count: int, rows: int, *, seed: int) -> np.ndarray:
    """At most ``rows`` of ``count`` row numbers, sorted, by seed."""
    if count <= rows:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, rows, replace=False))


def matched(where: str, items: Any, labels: Any) -> tuple[list, list[np.ndarray]]:
    """Items and their labels as lists: one of each, or as many of one as of the other.

    An item has a length, and a label for each of its rows. Raises InputError where they do not agree, or are none.
    """
    one = not isinstance(items, Sequence)
    items, labels = ([items], [labels]) if one else (list(items), list(labels))
    labels = [np.asarray(each) for each in labels]
    if len(items) != len(labels) or not items:
        raise InputError(where, expected=f"labels of {len(items)} scenes, 1 or more", got=f"those of {len(labels)}")
    for number, (item, ids) in enumerate(zip(items, labels, strict=True)):
        if ids.shape != (len(item),):
            place = where if one else f"{where}, scene {number}"
            raise InputError(place, expected=f"a label for each of {len(item)} rows", got=list(ids.shape))
        if ids.dtype.kind not in "iu":
            raise InputError(where, expected="class ids, whole numbers", got=str(ids.dtype))
    return items, labels


def class_count(where: str, labels: np.ndarray, classes: int | None) -> int:
    """How many classes: as told, or the largest id + 1. Raises InputError where no label is among them."""
    found = int(labels.max(initial=-1)) + 1 if classes is None else classes
    if not ((labels >= 0) & (labels < found)).any():
        raise InputError(
            where, expected="labelled training rows", got="none", fix="Probe with rooms whose capture has labels."
        )
    return found
