"""What else frozen features are good for, over all rooms: a linear probe, object proposals, retrieval under noise."""

from __future__ import annotations

import numpy as np

from chorus import metrics
from chorus.evaluate import instances, retrieval, zero_shot
from chorus.evaluate.inputs import Field, ReportInputs, Room
from chorus.evaluate.points import truth_of
from chorus.evaluate.voting import Voting
from chorus.params import EvaluateParams
from chorus.probe import LinearProbe, sample_rows

REACH = 0.1  # m from a Gaussian's centre to the ground-truth point that names it
TEMPERATURE = 0.05  # of the softmax over names that ranks object proposals
ABSENT = {key: float("nan") for key in ("miou", "macc", "f_miou", "f_macc", "overall")}  # of a method without features


def linear_probe(inputs: ReportInputs, method: str, params: EvaluateParams, voting: Voting) -> dict:
    """A probe trained on labels of ``probe_train`` and scored, by the same vote, on ``test``."""
    train = [room for room in inputs.probe_train if _probed(room, method)]
    rooms = [room for room in inputs.test if _probed(room, method)]
    if not train or not rooms:
        return dict(ABSENT)
    picks = [_probe_rows(room, room.fields[method], params, seed=inputs.seed + i) for i, room in enumerate(train)]
    fitted = LinearProbe(len(inputs.names), steps=params.probe_steps, seed=inputs.seed).fit(*zip(*picks, strict=True))
    total = metrics.nothing(len(inputs.names))
    for room in rooms:
        field = room.fields[method]
        everywhere = Field(positions=field.positions)
        guess = voting.spread(fitted.predict(field.frozen), everywhere, room, classes=len(inputs.names))
        total = total + metrics.confusion(room.truth.semantic, guess, len(inputs.names))
    return metrics.summary(total, inputs.names)


def _probed(room: Room, method: str) -> bool:
    return method in room.fields and room.fields[method].probe is not None


def _probe_rows(room: Room, field: Field, params: EvaluateParams, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    labels, _ = truth_of(field.positions, room.truth, reach=REACH)
    known = np.flatnonzero(labels >= 0)
    rows = known[sample_rows(len(known), params.probe_rows, seed=seed)]
    return field.frozen[rows], labels[rows]


def instance_table(inputs: ReportInputs, method: str, voting: Voting) -> dict:
    """AP of objects grown from the method's own predictions (no ground-truth mask anywhere)."""
    things = np.array([name not in metrics.BACKGROUND for name in inputs.names])
    rooms = []
    for room in inputs.test:
        field = room.fields.get(method)
        if field is None or field.lang is None or not field.speaks.any():
            return {"ap25": float("nan"), "ap50": float("nan"), "map": float("nan")}
        rooms.append(proposed(room, field, inputs.text, things, voting))
    return instances.table(rooms, len(inputs.names))


def proposed(
    room: Room, field: Field, text: np.ndarray, things: np.ndarray, voting: Voting
) -> tuple[instances.Proposals, np.ndarray, np.ndarray]:
    """A room's objects, grown from a field that speaks, their IoU [I, J] with the true ones, and those' classes [J].
    text: [T, C]; things: [T] bool, the names that come as objects."""
    near = voting.rows(field, room)[:, 0]
    chances = probabilities(field.words, text)[near]
    proposals = instances.propose(room.truth.positions, chances, things)
    semantic = np.where(np.append(things, False)[room.truth.semantic], room.truth.semantic, -1)
    return proposals, *instances.overlaps(proposals, semantic, room.truth.instance)


def probabilities(features: np.ndarray, text: np.ndarray) -> np.ndarray:
    """[P, T] softmax over names [T, C] of features [P, C]."""
    logits = zero_shot.similarity(features, text) / TEMPERATURE
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    return chances / chances.sum(axis=1, keepdims=True)


def retrieval_recall(inputs: ReportInputs) -> float:
    """Recall@1 from perturbed to clean objects of all test rooms together."""
    clean, noisy = [], []
    for room in inputs.test:
        if "student" not in room.fields or "noisy" not in room.fields:
            return float("nan")
        field = room.fields["student"]
        semantic, instance = truth_of(field.positions, room.truth, reach=REACH)
        instance = np.where(semantic >= 0, instance, 0)
        clean.append(retrieval.pool(field.frozen, instance)[0])
        noisy.append(retrieval.pool(room.fields["noisy"].frozen, instance)[0])
    return retrieval.recall_at_1(np.concatenate(clean), np.concatenate(noisy)) if clean else float("nan")
