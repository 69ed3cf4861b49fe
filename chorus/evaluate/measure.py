"""All figures of the evaluation, from plain arrays to one nested dictionary with fixed keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import numpy as np

from chorus.evaluate import metrics, zero_shot
from chorus.evaluate.inputs import METHODS, PROBED, Field, ReportInputs, Room
from chorus.evaluate.points import truth_of
from chorus.evaluate.tasks import ABSENT, REACH, instance_table, linear_probe, retrieval_recall
from chorus.params import EvaluateParams


def measure(inputs: ReportInputs, params: EvaluateParams) -> dict:
    """The content of metrics.json; IoU, accuracy, recall and precision in percent.

    Truth enters in two places only: as what predictions are compared with, and as the probe's labels on training rooms.
    """
    matrices = {method: _matrices(inputs.held_out, method, inputs, params) for method in METHODS}
    seen = [name for name in inputs.names if name not in inputs.withheld]
    report = {
        "zero_shot": _zero_shot(matrices, inputs, params, seen),
        "zero_shot_withheld": _zero_shot(matrices, inputs, params, inputs.withheld),
        "zero_shot_all": _zero_shot(matrices, inputs, params, inputs.names),
        "zero_shot_raw": {method: _raw(inputs, method, seen) for method in METHODS},
        "linear_probe": {method: linear_probe(inputs, method, params) for method in PROBED},
        "adaptation": _adaptation(inputs, params),
        "instances": {method: instance_table(inputs, method) for method in METHODS},
        "retrieval": {"student": {"r1": retrieval_recall(inputs)}},
        "fit": _fit(inputs),
        "storage": dict(inputs.storage),
        "seconds": {stage: round(float(value), 1) for stage, value in sorted(inputs.seconds.items())},
        "per_class": _per_class(matrices, inputs),
        "data": _data(inputs),
    }
    if params.instance_vote:
        report["zero_shot_dishonest_instance_vote"] = {method: _dishonest(inputs, method, params, seen) for method in METHODS}
    return rounded(report)


def rounded(value: object) -> object:
    """The same structure in plain JSON: four decimals, and null where there is no number."""
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, (float, np.floating)):
        return round(float(value), 4) if np.isfinite(value) else None
    return value


def predict(field: Field, room: Room, text: np.ndarray, *, neighbours: int) -> np.ndarray:
    """[P] zero-shot class of each ground-truth point: the vote of the nearest splats that speak."""
    labels = zero_shot.classify(field.lang, text, field.speaks)
    rows = zero_shot.nearest(field.positions, room.truth.positions, field.speaks, neighbours=neighbours)
    return zero_shot.vote(labels, rows, len(text))


def _matrices(rooms: Iterable[Room], method: str, inputs: ReportInputs, params: EvaluateParams) -> list[np.ndarray]:
    """One confusion matrix for each room that has the method's language features."""
    return [
        metrics.confusion(room.truth.semantic, predict(room.fields[method], room, inputs.text, neighbours=params.neighbours), len(inputs.names))
        for room in rooms
        if method in room.fields and room.fields[method].lang is not None
    ]


def _zero_shot(matrices: dict, inputs: ReportInputs, params: EvaluateParams, only: Collection[str]) -> dict:
    table = {}
    for method, rooms in matrices.items():
        if rooms:
            table[method] = metrics.summary(sum(rooms), inputs.names, only=only)
            table[method]["f_miou_interval"] = _interval([rooms], inputs, params, only)
        else:
            table[method] = dict(ABSENT)
    if matrices["student"] and matrices["points"]:
        pair = [matrices["student"], matrices["points"]]
        table["student_minus_points"] = {"f_miou_interval": _interval(pair, inputs, params, only)}
    counts = sum((_counts(room, len(inputs.names)) for room in inputs.held_out), np.zeros(len(inputs.names), np.int64))
    draws = [metrics.summary(matrix, inputs.names, only=only) for matrix in metrics.chance(counts, seeds=params.chance_seeds, seed=inputs.seed)]
    table["chance"] = {key: float(np.mean([draw[key] for draw in draws])) for key in draws[0]}
    return table


def _interval(rooms: Sequence, inputs: ReportInputs, params: EvaluateParams, only: Collection[str]) -> list[float]:
    """[low, high] of f-mIoU over resampled rooms; of the first method's minus the second's where there are two."""

    def statistic(sums: list[np.ndarray]) -> float:
        values = [metrics.summary(matrix, inputs.names, only=only)["f_miou"] for matrix in sums]
        return values[0] - sum(values[1:])

    return list(metrics.bootstrap(statistic, rooms, draws=params.bootstrap, seed=inputs.seed))


def _counts(room: Room, classes: int) -> np.ndarray:
    return np.bincount(room.truth.semantic[room.truth.semantic >= 0], minlength=classes)


def _raw(inputs: ReportInputs, method: str, only: Collection[str]) -> dict:
    """Each splat judged by itself against the nearest ground-truth point: no vote smooths anything."""
    total = np.zeros((len(inputs.names), len(inputs.names) + 1), np.int64)
    for room in inputs.held_out:
        field = room.fields.get(method)
        if field is None or field.lang is None:
            return dict(ABSENT)
        truth, _ = truth_of(field.positions, room.truth, reach=REACH)
        total += metrics.confusion(truth, zero_shot.classify(field.lang, inputs.text, field.speaks), len(inputs.names))
    return metrics.summary(total, inputs.names, only=only)


def _dishonest(inputs: ReportInputs, method: str, params: EvaluateParams, only: Collection[str]) -> dict:
    classes, total = len(inputs.names), 0
    for room in inputs.held_out:
        field = room.fields.get(method)
        if field is None or field.lang is None:
            return dict(ABSENT)
        guess = predict(field, room, inputs.text, neighbours=params.neighbours)
        total = total + metrics.confusion(room.truth.semantic, zero_shot.instance_vote(guess, room.truth.instance, classes), classes)
    return metrics.summary(total, inputs.names, only=only)


def _adaptation(inputs: ReportInputs, params: EvaluateParams) -> dict:
    sides = {side: _matrices(inputs.adaptation, side, inputs, params) for side in ("before", "after")}
    table = {side: metrics.summary(sum(rooms), inputs.names) if rooms else dict(ABSENT) for side, rooms in sides.items()}
    if sides["before"] and len(sides["before"]) == len(sides["after"]):
        pair = [sides["after"], sides["before"]]
        table["gain"] = {
            "f_miou": table["after"]["f_miou"] - table["before"]["f_miou"],
            "f_miou_interval": _interval(pair, inputs, params, inputs.names),
        }
    return table


def _fit(inputs: ReportInputs) -> dict:
    values = sorted(float(scene["psnr_heldout"]) for scene in inputs.fit.values() if scene.get("psnr_heldout") is not None)
    median, worst = (float(np.median(values)), values[0]) if values else (float("nan"), float("nan"))
    return {"psnr_heldout_median": median, "psnr_heldout_worst": worst, "scenes": len(values)}


def _per_class(matrices: dict, inputs: ReportInputs) -> dict:
    """name -> points in the truth and IoU of every method (NaN where the truth does not hold the class)."""
    sums = {method: metrics.iou(sum(rooms)) * 100 for method, rooms in matrices.items() if rooms}
    counts = sum((_counts(room, len(inputs.names)) for room in inputs.held_out), np.zeros(len(inputs.names), np.int64))
    return {
        name: {"points": int(counts[i]), **{method: float(values[i]) for method, values in sums.items()}} for i, name in enumerate(inputs.names)
    }


def _data(inputs: ReportInputs) -> dict:
    homes = {str(room.info.get("home", room.name)) for room in inputs.held_out}
    return {
        "held_out_rooms": [room.name for room in inputs.held_out],
        "held_out_homes": sorted(homes),
        "probe_training_rooms": len(inputs.probe_train),
        "adaptation_rooms": [room.name for room in inputs.adaptation],
        "truth_points": int(sum(len(room.truth) for room in inputs.held_out)),
        "names": list(inputs.names),
        "withheld": list(inputs.withheld),
        "seed": inputs.seed,
    }
