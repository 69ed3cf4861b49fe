"""Average precision of objects by the rules of ScanNet's benchmark (evaluate_semantic_instance.py), to the last digit.

They differ from :mod:`chorus.evaluate.instances` in what is small or unlabelled: a true object or a proposal of fewer
than 100 points does not count, and a proposal that found nothing is forgiven where more of it than the threshold lies
on unlabelled points or small objects of its class. IoU has to exceed the threshold; of two proposals for one object the
surer counts and the other is wrong; mAP averages 0.5 to 0.9 in steps of 0.05.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chorus.evaluate.instances import Proposals

LEAST = 100  # points of an object
THRESHOLDS = tuple(float(value) for value in np.arange(0.5, 0.95, 0.05))  # of mAP: 0.95 is not among them


class Matched(NamedTuple):
    """A scene's I proposals and J true objects of one class. Small proposals are gone, small objects are not."""

    score: np.ndarray  # [I]
    size: np.ndarray  # [I] points
    void: np.ndarray  # [I] of them, on points of no object
    shared: np.ndarray  # [I, J] points of both
    true: np.ndarray  # [J] points

    @property
    def iou(self) -> np.ndarray:
        """[I, J]."""
        return self.shared / (self.size[:, None] + self.true[None] - self.shared)

    @property
    def counts(self) -> np.ndarray:
        """[J] bool: true objects that are large enough."""
        return self.true >= LEAST


def match(proposals: Proposals, semantic: np.ndarray, instance: np.ndarray, things: np.ndarray) -> list[Matched]:
    """One for each of C classes. semantic: [P] true class ids, -1 unlabelled; instance: [P], 0 none; things: [C] bool,
    classes that come as objects: a point of another, or of no object, is void."""
    real = (semantic >= 0) & (instance > 0) & np.append(things, False)[semantic]
    key = np.where(real, semantic.astype(np.int64) << 32 | instance, -1)
    ids, group = np.unique(key, return_inverse=True)
    sizes, label = np.bincount(group, minlength=len(ids)), ids >> 32
    inside, count = proposals.member >= 0, len(proposals.label)
    cells = proposals.member[inside] * len(ids) + group[inside]
    shared = np.bincount(cells, minlength=count * len(ids)).reshape(count, len(ids))
    void = shared[:, ids < 0].sum(axis=1)
    large = shared.sum(axis=1) >= LEAST
    found = []
    for one in range(len(things)):
        rows, columns = (proposals.label == one) & large, (ids >= 0) & (label == one)
        own = shared[np.ix_(rows, columns)]
        found.append(Matched(proposals.score[rows], shared[rows].sum(axis=1), void[rows], own, sizes[columns]))
    return found


def average_precision(scenes: Sequence[Matched], threshold: float) -> float:
    """AP of one class at one IoU threshold over all scenes; NaN where no true object is large enough."""
    total = sum(int(scene.counts.sum()) for scene in scenes)
    if total == 0:
        return float("nan")
    judged = [_judged(scene, threshold) for scene in scenes]
    score, right = (np.concatenate(side) for side in zip(*judged, strict=True))
    return _area(score, right, total)


def _judged(scene: Matched, threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Score and rightness of what counts: each object's surest proposal, its others as wrong, and wrong proposals."""
    iou, taken = scene.iou, np.zeros(len(scene.score), bool)
    score: list[float] = []
    right: list[bool] = []
    for column in np.flatnonzero(scene.counts):
        rivals = [row for row in np.flatnonzero(iou[:, column] > threshold) if not taken[row]]
        if rivals:
            taken[rivals[0]] = True  # the others may still find a second object
            ranked = sorted((float(scene.score[row]) for row in rivals), reverse=True)
            score += ranked
            right += [True] + [False] * (len(ranked) - 1)
    ignored = scene.void + scene.shared[:, ~scene.counts].sum(axis=1)
    wrong = ~(iou > threshold).any(axis=1) & (ignored <= threshold * scene.size)
    return np.append(score, scene.score[wrong]), np.append(np.array(right, bool), np.zeros(int(wrong.sum()), bool))


def _area(score: np.ndarray, right: np.ndarray, total: int) -> float:
    """Under precision over recall, each precision weighing half the recall between its neighbours; equal scores are
    one point, and (recall 0, precision 1) closes the curve."""
    order = np.argsort(score, kind="stable")
    _, first = np.unique(score[order], return_index=True)
    hits = np.concatenate([np.cumsum(right[order][::-1])[::-1], [0]])  # right ones from each place on
    precision = np.append(hits[first] / (len(score) - first), 1.0)
    recall = np.append(hits[first] / total, 0.0)
    around = np.concatenate([recall[:1], recall, [0.0]])
    return float(precision @ (around[:-2] - around[2:])) / 2


def table(scenes: Sequence[Sequence[Matched]]) -> dict[str, float]:
    """map, ap50 and ap25 in percent, means over the classes that have a true object. scenes: of each, one for every
    class."""
    classes = list(zip(*scenes, strict=True))

    def mean(threshold: float) -> float:
        values = np.array([average_precision(one, threshold) for one in classes])
        return 100.0 * float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    means = [mean(threshold) for threshold in THRESHOLDS]
    return {"map": float(np.mean(means)), "ap50": means[0], "ap25": mean(0.25)}
