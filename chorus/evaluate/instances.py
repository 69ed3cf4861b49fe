"""Open-vocabulary instances: proposals grown from the model's own predictions, scored by average precision."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chorus.view.clusters import components

THRESHOLDS = tuple(np.round(np.arange(0.5, 0.96, 0.05), 2))  # of mAP, as in ScanNet's benchmark


class Proposals(NamedTuple):
    """I proposed objects over P points."""

    member: np.ndarray  # [P] proposal of a point, -1 none
    label: np.ndarray  # [I] class id
    score: np.ndarray  # [I] mean probability of the class


def propose(
    positions: np.ndarray, probability: np.ndarray, things: np.ndarray, *, cell: float = 0.05, least: int = 50
) -> Proposals:
    """Objects of a room from class probabilities [P, C]; things: [C] bool, classes that come as objects (no wall,
    floor, ceiling)."""
    labels = probability.argmax(axis=1)
    member = components(positions, np.where(things[labels], labels, -1), cell=cell, least=least)
    count = member.max() + 1
    first = np.array([np.flatnonzero(member == i)[0] for i in range(count)], int)
    label = labels[first]
    score = np.array([probability[member == i, label[i]].mean() for i in range(count)])
    return Proposals(member, label, score)


def overlaps(proposals: Proposals, semantic: np.ndarray, instance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """IoU [I, J] of proposals with the room's true instances and their classes [J]; semantic, instance: [P] truth."""
    ids, group = np.unique(np.where(semantic >= 0, instance, 0), return_inverse=True)
    real = ids > 0
    shared = np.zeros((len(proposals.label), len(ids)))
    inside = proposals.member >= 0
    np.add.at(shared, (proposals.member[inside], group[inside]), 1)
    sizes = np.bincount(group, minlength=len(ids))
    union = shared.sum(axis=1, keepdims=True) + sizes[None] - shared
    classes = np.array([np.bincount(semantic[group == j]).argmax() for j in np.flatnonzero(real)], int)
    return (shared / np.maximum(union, 1))[:, real], classes


def matches(room: tuple[Proposals, np.ndarray, np.ndarray], threshold: float) -> np.ndarray:
    """[I] bool: which proposals of a room are a true instance of their class at this IoU; best score first, each takes
    the best one that is free."""
    (proposals, overlap, classes), found = room, np.zeros(len(room[0].label), bool)
    free = np.ones(len(classes), bool)
    for i in np.argsort(-proposals.score, kind="stable"):
        candidates = np.where(free & (classes == proposals.label[i]), overlap[i], 0.0)
        best = int(candidates.argmax()) if len(candidates) else -1
        if best >= 0 and candidates[best] >= threshold:
            found[i], free[best] = True, False
    return found


def average_precision(rooms: list[tuple[Proposals, np.ndarray, np.ndarray]], label: int, threshold: float) -> float:
    """AP of one class at one IoU threshold over all rooms, area under the precision envelope; NaN without a true
    instance.

    rooms: (proposals, IoU [I, J], true classes [J]); a proposal takes the best free instance, best score first.
    """
    total = sum(int((classes == label).sum()) for _, _, classes in rooms)
    if total == 0:
        return float("nan")
    score = np.concatenate([p.score[p.label == label] for p, _, _ in rooms])
    hits = np.concatenate([matches(room, threshold)[room[0].label == label] for room in rooms])
    ones = np.ones((1, len(hits)))
    return float(area(score, hits, ones, np.array([total]))[0])


def area(score: np.ndarray, hits: np.ndarray, times: np.ndarray, total: np.ndarray) -> np.ndarray:
    """[D] AP, the area under the precision envelope, of proposals [I] that count ``times`` [D, I] each in draw d; NaN
    where ``total`` [D], the true instances, is zero."""
    order = np.argsort(-score, kind="stable")
    times, right = times[:, order], times[:, order] * hits[order]
    seen = np.cumsum(times, axis=1)
    precision = np.divide(np.cumsum(right, axis=1), seen, out=np.zeros_like(seen), where=seen > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    return np.divide((envelope * right).sum(axis=1), total, out=np.full(len(times), np.nan), where=total > 0)


def table(rooms: list[tuple[Proposals, np.ndarray, np.ndarray]], classes: int) -> dict[str, float]:
    """ap25, ap50 and map (0.5:0.95) in percent, averaged over the classes that have true instances."""

    def mean(threshold: float) -> float:
        values = np.array([average_precision(rooms, c, threshold) for c in range(classes)])
        return 100.0 * float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")

    return {"ap25": mean(0.25), "ap50": mean(0.5), "map": float(np.mean([mean(t) for t in THRESHOLDS]))}
