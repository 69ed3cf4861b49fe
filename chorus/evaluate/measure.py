"""All figures of the evaluation, from plain arrays to one nested dictionary with fixed keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from chorus.evaluate import metrics, zero_shot
from chorus.evaluate.inputs import METHODS, PROBED, Field, ReportInputs, Room
from chorus.evaluate.points import truth_of
from chorus.evaluate.tasks import ABSENT, REACH, instance_table, linear_probe, retrieval_recall
from chorus.evaluate.voting import Voting
from chorus.params import EvaluateParams


def measure(inputs: ReportInputs, params: EvaluateParams) -> dict:
    """The content of metrics.json; IoU, accuracy, recall and precision in percent.

    Truth enters in two places only: as what predictions are compared with, and as the probe's labels on training rooms.
    """
    voting = Voting(params.neighbors)
    matrices = {method: _matrices(inputs.held_out, method, inputs, voting) for method in METHODS}
    seen = [name for name in inputs.names if name not in inputs.withheld]
    report = {
        "zero_shot": _zero_shot(matrices, inputs, params, seen) | _intervals(matrices, inputs, params, seen),
        "zero_shot_withheld": _zero_shot(matrices, inputs, params, inputs.withheld),
        "zero_shot_all": _zero_shot(matrices, inputs, params, inputs.names),
        "zero_shot_ceiling": _ceiling(inputs, voting, seen),
        "zero_shot_raw": {method: _raw(inputs, method, seen) for method in METHODS},
        "linear_probe": {method: linear_probe(inputs, method, params, voting) for method in PROBED},
        "adaptation": _adaptation(inputs, params, voting),
        "instances": {method: instance_table(inputs, method, voting) for method in METHODS},
        "retrieval": {"student": {"r1": retrieval_recall(inputs)}},
        "teachers": dict(inputs.teachers),
        "fit": _fit(inputs),
        "storage": dict(inputs.storage),
        "seconds": {stage: round(float(value), 1) for stage, value in sorted(inputs.seconds.items())},
        "per_class": _per_class(matrices, inputs),
        "data": _data(inputs),
    }
    if params.instance_vote:
        report["zero_shot_dishonest_instance_vote"] = {
            method: _dishonest(inputs, method, voting, seen) for method in METHODS
        }
    return rounded(report)


def rounded(value: object) -> Any:
    """The same structure in plain JSON: four decimals, and null where there is no number."""
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 4) if np.isfinite(value) else None
    return value


def _matrices(rooms: Iterable[Room], method: str, inputs: ReportInputs, voting: Voting) -> list[np.ndarray]:
    """One confusion matrix for each room that has the method's language features."""
    return [
        metrics.confusion(
            room.truth.semantic, voting.zero_shot(room.fields[method], room, inputs.text), len(inputs.names)
        )
        for room in rooms
        if method in room.fields and room.fields[method].lang is not None
    ]


def _zero_shot(matrices: dict, inputs: ReportInputs, params: EvaluateParams, only: Collection[str]) -> dict:
    table = {
        method: metrics.summary(np.sum(rooms, axis=0), inputs.names, only=only) if rooms else dict(ABSENT)
        for method, rooms in matrices.items()
    }
    guesses = metrics.chance(_counts(inputs), seeds=params.chance_seeds, seed=inputs.seed)
    draws = [metrics.summary(matrix, inputs.names, only=only) for matrix in guesses]
    return table | {"chance": {key: float(np.mean([draw[key] for draw in draws])) for key in draws[0]}}


def _intervals(matrices: dict, inputs: ReportInputs, params: EvaluateParams, only: Collection[str]) -> dict:
    """How sure the f-mIoU of each method is, and the student's lead over points."""
    table = {
        f"{method}_interval": _interval([rooms], inputs, params, only) for method, rooms in matrices.items() if rooms
    }
    if matrices["student"] and matrices["points"]:
        table["student_minus_points_interval"] = _interval(
            [matrices["student"], matrices["points"]], inputs, params, only
        )
    return table


def _ceiling(inputs: ReportInputs, voting: Voting, only: Collection[str]) -> dict:
    """What the vote makes of the true names on the very same Gaussians: the most to be expected of any model."""
    total = metrics.nothing(len(inputs.names))
    for room in inputs.held_out:
        field = room.fields["student"] if "student" in room.fields else next(iter(room.fields.values()))
        truth, _ = truth_of(field.positions, room.truth, reach=REACH)
        named = Field(positions=field.positions, valid=truth >= 0)
        total = total + metrics.confusion(
            room.truth.semantic, voting.spread(truth, named, room, classes=len(inputs.names)), len(inputs.names)
        )
    return metrics.summary(total, inputs.names, only=only)


def _interval(rooms: Sequence, inputs: ReportInputs, params: EvaluateParams, only: Collection[str]) -> list[float]:
    """[low, high] of f-mIoU over resampled rooms; of the first method's minus the second's where there are two."""

    def statistic(sums: list[np.ndarray]) -> float:
        values = [metrics.summary(matrix, inputs.names, only=only)["f_miou"] for matrix in sums]
        return values[0] - sum(values[1:])

    return list(metrics.bootstrap(statistic, rooms, draws=params.bootstrap, seed=inputs.seed))


def _counts(inputs: ReportInputs) -> np.ndarray:
    """[C] ground-truth points of each class in the held-out rooms."""
    labels = np.concatenate([room.truth.semantic for room in inputs.held_out])
    return np.bincount(labels[labels >= 0], minlength=len(inputs.names))


def _raw(inputs: ReportInputs, method: str, only: Collection[str]) -> dict:
    """Each splat judged by itself against the nearest ground-truth point: no vote smooths anything."""
    total = metrics.nothing(len(inputs.names))
    for room in inputs.held_out:
        field = room.fields.get(method)
        if field is None or field.lang is None:
            return dict(ABSENT)
        truth, _ = truth_of(field.positions, room.truth, reach=REACH)
        total += metrics.confusion(truth, zero_shot.classify(field.lang, inputs.text, field.speaks), len(inputs.names))
    return metrics.summary(total, inputs.names, only=only)


def _dishonest(inputs: ReportInputs, method: str, voting: Voting, only: Collection[str]) -> dict:
    classes = len(inputs.names)
    total = metrics.nothing(classes)
    for room in inputs.held_out:
        field = room.fields.get(method)
        if field is None or field.lang is None:
            return dict(ABSENT)
        guess = voting.zero_shot(field, room, inputs.text)
        total = total + metrics.confusion(
            room.truth.semantic, zero_shot.instance_vote(guess, room.truth.instance, classes), classes
        )
    return metrics.summary(total, inputs.names, only=only)


def _adaptation(inputs: ReportInputs, params: EvaluateParams, voting: Voting) -> dict:
    sides = {side: _matrices(inputs.adaptation, side, inputs, voting) for side in ("before", "after")}
    table: dict[str, dict] = {
        side: metrics.summary(np.sum(rooms, axis=0), inputs.names) if rooms else dict(ABSENT)
        for side, rooms in sides.items()
    }
    if sides["before"] and len(sides["before"]) == len(sides["after"]):
        pair = [sides["after"], sides["before"]]
        table["gain"] = {
            "f_miou": table["after"]["f_miou"] - table["before"]["f_miou"],
            "f_miou_interval": _interval(pair, inputs, params, inputs.names),
        }
    return table


def _fit(inputs: ReportInputs) -> dict:
    values = sorted(
        float(scene["psnr_heldout"]) for scene in inputs.fit.values() if scene.get("psnr_heldout") is not None
    )
    median, worst = (float(np.median(values)), values[0]) if values else (float("nan"), float("nan"))
    return {"psnr_heldout_median": median, "psnr_heldout_worst": worst, "scenes": len(values)}


def _per_class(matrices: dict, inputs: ReportInputs) -> dict:
    """name -> count of points in the truth, and IoU of every method (NaN where the truth does not hold the class)."""
    sums = {method: metrics.iou(np.sum(rooms, axis=0)) * 100 for method, rooms in matrices.items() if rooms}
    counts = _counts(inputs)
    return {
        name: {"count": int(counts[i]), **{method: float(values[i]) for method, values in sums.items()}}
        for i, name in enumerate(inputs.names)
    }


def _data(inputs: ReportInputs) -> dict:
    homes = {str(room.info.get("home", room.name)) for room in inputs.held_out}
    return {
        "held_out_rooms": [room.name for room in inputs.held_out],
        "held_out_homes": sorted(homes),
        "models": _models(inputs),
        "probe_training_rooms": len(inputs.probe_train),
        "adaptation_rooms": [room.name for room in inputs.adaptation],
        "truth_points": int(sum(len(room.truth) for room in inputs.held_out)),
        "names": list(inputs.names),
        "withheld": list(inputs.withheld),
        "seed": inputs.seed,
    }


def _models(inputs: ReportInputs) -> dict:
    """How many furniture models the held-out rooms show, over how many items, and which of them rooms trained on show
    too."""
    drawn = sum((Counter(room.info.get("models", {})) for room in inputs.held_out), Counter())
    shared = sorted(set(drawn) & inputs.trained_models)
    return {
        "held_out": len(drawn),
        "items": drawn.total(),
        "shared": shared,
        "shared_items": sum(drawn[name] for name in shared),
    }
