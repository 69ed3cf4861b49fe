"""How far a score is from a probability: the share a name gets against how often it is right."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from chorus.evaluate import zero_shot
from chorus.evaluate.inputs import Room
from chorus.evaluate.points import truth_of
from chorus.evaluate.tasks import REACH, TEMPERATURE

BINS = 10


def calibration(rooms: Iterable[Room], method: str, text: np.ndarray) -> dict:
    """{ece, bins: [{share, right, count}]} of a method's Gaussians whose truth is known, all names candidates.

    share: the mean softmax weight, at TEMPERATURE, of the name that fits best; right: the percentage of Gaussians in
    the bin whose name that is; ece: the mean distance of the two, weighed by count (Guo et al. 2017). All in percent;
    no bins where no room has the method's language features.
    """
    pairs = [_judged(room, method, text) for room in rooms if _speaks(room, method)]
    if not pairs:
        return {"ece": float("nan"), "bins": []}
    share, right = (np.concatenate(side) for side in zip(*pairs, strict=True))
    return reliability(share, right)


def reliability(share: np.ndarray, right: np.ndarray) -> dict:
    """The same from shares [N] in 0..1 and whether each was right [N] bool."""
    places = np.minimum((share * BINS).astype(int), BINS - 1)
    bins = []
    for place in np.unique(places):
        inside = places == place
        means = {"share": 100.0 * float(share[inside].mean()), "right": 100.0 * float(right[inside].mean())}
        bins.append({**means, "count": int(inside.sum())})
    total = sum(one["count"] for one in bins)
    apart = sum(one["count"] * abs(one["share"] - one["right"]) for one in bins)
    return {"ece": apart / total if total else float("nan"), "bins": bins}


def _speaks(room: Room, method: str) -> bool:
    return method in room.fields and room.fields[method].lang is not None


def _judged(room: Room, method: str, text: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the Gaussians that speak and whose truth is near: the share of the best name, and whether it is right."""
    field = room.fields[method]
    truth, _ = truth_of(field.positions, room.truth, reach=REACH)
    known = field.speaks & (truth >= 0)
    logits = zero_shot.similarity(field.words[known], text) / TEMPERATURE
    logits -= logits.max(axis=1, keepdims=True)
    best = logits.argmax(axis=1)
    return 1.0 / np.exp(logits).sum(axis=1), best == truth[known]
