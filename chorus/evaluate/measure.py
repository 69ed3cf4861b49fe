"""All figures of the evaluation, from plain arrays to one nested dictionary with fixed keys."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np

from chorus import metrics
from chorus.evaluate import about, zero_shot
from chorus.evaluate.calibration import calibration
from chorus.evaluate.each import each
from chorus.evaluate.inputs import METHODS, PROBED, Field, ReportInputs, Room
from chorus.evaluate.intervals import f_miou_interval
from chorus.evaluate.points import truth_of
from chorus.evaluate.tasks import ABSENT, REACH, instance_table, linear_probe, retrieval_recall
from chorus.evaluate.voting import Voting
from chorus.params import EvaluateParams

NOTHING = "no prediction"  # among the names of a confusion matrix


def measure(inputs: ReportInputs, params: EvaluateParams) -> dict:
    """The content of metrics.json; IoU, accuracy, recall and precision in percent.

    zero_shot averages over the names the language teacher was taught, zero_shot_withheld over those kept from it;
    every other block, zero_shot_all among them, over all names. All names are candidates everywhere. Truth enters in
    two places only: as what predictions are compared with, and as the probe's labels on training rooms.
    """
    voting = Voting(params.neighbors)
    voting.prepare([*inputs.test, *inputs.adaptation, *inputs.validation, *inputs.validation_adaptation])
    matrices = {method: _matrices(inputs.test, method, inputs, voting) for method in METHODS}
    homes = [about.home_of(room) for room in inputs.test]

    def zero_shot_of(only: Collection[str]) -> dict:
        return _zero_shot(matrices, inputs, params, only) | _intervals(matrices, homes, inputs, params, only)

    report = {
        "zero_shot": zero_shot_of(inputs.taught),
        "zero_shot_withheld": zero_shot_of(inputs.withheld),
        "zero_shot_all": zero_shot_of(inputs.names),
        "zero_shot_ceiling": _ceiling(inputs, voting),
        "zero_shot_raw": {method: _raw(inputs, method) for method in METHODS},
        "linear_probe": _of_each(PROBED, lambda method: linear_probe(inputs, method, params, voting)),
        "adaptation": _adaptation(inputs.adaptation, inputs, params, voting),
        "instances": _of_each(METHODS, lambda method: instance_table(inputs, method, voting)),
        "retrieval": {"student": {"r1": retrieval_recall(inputs)}},
        "validation": _validation(inputs, params, voting),
        "teachers": dict(inputs.teachers),
        "fit": about.fits(inputs),
        "storage": dict(inputs.storage),
        "seconds": about.times(inputs.seconds),
        "per_class": _per_class(matrices, inputs),
        "per_room": _per_room(matrices, inputs),
        "confusion": {"student": _confusion(matrices["student"], inputs)},
        "calibration": {method: calibration(inputs.test, method, inputs.text) for method in METHODS},
        "data": about.data(inputs, draws=params.bootstrap),
        "provenance": dict(inputs.provenance),
        "settings": dict(inputs.settings),
    }
    if params.instance_vote:
        report["zero_shot_dishonest_instance_vote"] = {method: _dishonest(inputs, method, voting) for method in METHODS}
    return rounded(report)


def _of_each(methods: Sequence[str], table: Callable[[str], dict]) -> dict[str, dict]:
    return dict(zip(methods, each(table, methods), strict=True))


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


def _intervals(
    matrices: dict, homes: Sequence[str], inputs: ReportInputs, params: EvaluateParams, only: Collection[str]
) -> dict:
    """How sure the f-mIoU of each method is, and the student's lead over points and over its lifted teacher."""
    table = {
        f"{method}_interval": _interval([rooms], homes, inputs, params, only)
        for method, rooms in matrices.items()
        if len(rooms) == len(homes)
    }
    for other in ("points", "lifted"):
        pair = [matrices["student"], matrices[other]]
        if all(len(rooms) == len(homes) for rooms in pair):
            table[f"student_minus_{other}_interval"] = _interval(pair, homes, inputs, params, only)
    return table


def _interval(
    methods: Sequence, homes: Sequence[str], inputs: ReportInputs, params: EvaluateParams, only: Collection[str]
) -> list[float]:
    return f_miou_interval(methods, homes, inputs.names, only=only, draws=params.bootstrap, seed=inputs.seed)


def _ceiling(inputs: ReportInputs, voting: Voting) -> dict:
    """What the vote makes of the true names on the very same Gaussians: the most to be expected of any model."""
    total = metrics.nothing(len(inputs.names))
    for room in inputs.test:
        field = room.fields["student"] if "student" in room.fields else next(iter(room.fields.values()))
        truth, _ = truth_of(field.positions, room.truth, reach=REACH)
        named = Field(positions=field.positions, valid=truth >= 0)
        total = total + metrics.confusion(
            room.truth.semantic, voting.spread(truth, named, room, classes=len(inputs.names)), len(inputs.names)
        )
    return metrics.summary(total, inputs.names)


def _counts(inputs: ReportInputs) -> np.ndarray:
    """[C] ground-truth points of each class in the test rooms."""
    labels = np.concatenate([room.truth.semantic for room in inputs.test])
    return np.bincount(labels[labels >= 0], minlength=len(inputs.names))


def _raw(inputs: ReportInputs, method: str) -> dict:
    """Each splat judged by itself against the nearest ground-truth point: no vote smooths anything."""
    total = metrics.nothing(len(inputs.names))
    for room in inputs.test:
        field = room.fields.get(method)
        if field is None or field.lang is None:
            return dict(ABSENT)
        truth, _ = truth_of(field.positions, room.truth, reach=REACH)
        total += metrics.confusion(truth, zero_shot.classify(field.lang, inputs.text, field.speaks), len(inputs.names))
    return metrics.summary(total, inputs.names)


def _dishonest(inputs: ReportInputs, method: str, voting: Voting) -> dict:
    classes = len(inputs.names)
    total = metrics.nothing(classes)
    for room in inputs.test:
        field = room.fields.get(method)
        if field is None or field.lang is None:
            return dict(ABSENT)
        guess = voting.zero_shot(field, room, inputs.text)
        total = total + metrics.confusion(
            room.truth.semantic, zero_shot.instance_vote(guess, room.truth.instance, classes), classes
        )
    return metrics.summary(total, inputs.names)


def _adaptation(rooms: Sequence[Room], inputs: ReportInputs, params: EvaluateParams, voting: Voting) -> dict:
    """Figures of rooms of the second domain before and after adapting to it, over all names."""
    sides = {side: _matrices(rooms, side, inputs, voting) for side in ("before", "after")}
    table: dict[str, dict] = {
        side: metrics.summary(np.sum(found, axis=0), inputs.names) if found else dict(ABSENT)
        for side, found in sides.items()
    }
    if sides["before"] and len(sides["before"]) == len(sides["after"]):
        pair, homes = [sides["after"], sides["before"]], [about.home_of(room) for room in rooms]
        table["gain"] = {
            "f_miou": table["after"]["f_miou"] - table["before"]["f_miou"],
            "f_miou_interval": _interval(pair, homes, inputs, params, inputs.names),
        }
    return table


def _validation(inputs: ReportInputs, params: EvaluateParams, voting: Voting) -> dict:
    """What models are compared on before one is promoted, so that no choice looks at the test. Over the taught names
    as `zero_shot`, adaptation over all; empty where there are no validation rooms."""
    rooms, other = inputs.validation, inputs.validation_adaptation
    if not rooms and not other:
        return {}
    table = {}
    for method in ("student", "points"):
        found = _matrices(rooms, method, inputs, voting)
        summary = metrics.summary(np.sum(found, axis=0), inputs.names, only=inputs.taught) if found else ABSENT
        table[method] = {key: summary[key] for key in ("f_miou", "f_macc")}
    adaptation = _adaptation(other, inputs, params, voting)
    return table | {
        "adaptation": {side: {"f_miou": adaptation[side]["f_miou"]} for side in ("before", "after")},
        "rooms": [room.name for room in rooms],
        "homes": about.homes([*rooms, *other]),
        "adaptation_rooms": [room.name for room in other],
    }


def _per_class(matrices: dict, inputs: ReportInputs) -> dict:
    """name -> count of points in the truth, and IoU of every method (NaN where the truth does not hold the class)."""
    sums = {method: metrics.iou(np.sum(rooms, axis=0)) * 100 for method, rooms in matrices.items() if rooms}
    counts = _counts(inputs)
    return {
        name: {"count": int(counts[i]), **{method: float(values[i]) for method, values in sums.items()}}
        for i, name in enumerate(inputs.names)
    }


def _per_room(matrices: dict, inputs: ReportInputs) -> dict:
    """room -> its home, how many Gaussians and true points it has, blind PSNR, and f-mIoU of every method over the
    names it holds."""
    table = {}
    for number, room in enumerate(inputs.test):
        found = {
            method: metrics.summary(rooms[number], inputs.names)["f_miou"]
            for method, rooms in matrices.items()
            if len(rooms) == len(inputs.test)
        }
        table[room.name] = {
            "home": about.home_of(room),
            "gaussians": None if room.gaussians is None else len(room.gaussians),
            "points": len(room.truth),
            "psnr": inputs.fit.get(room.name, {}).get("psnr_blind_heldout"),
            "f_miou": found,
        }
    return table


def _confusion(rooms: Sequence[np.ndarray], inputs: ReportInputs) -> dict:
    """true name -> predicted name -> points of all test rooms; what does not occur is left out."""
    if not rooms:
        return {}
    total, called = np.sum(rooms, axis=0), (*inputs.names, NOTHING)
    return {
        name: {called[j]: int(row[j]) for j in np.flatnonzero(row)}
        for name, row in zip(inputs.names, total, strict=True)
        if row.any()
    }
