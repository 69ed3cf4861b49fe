"""The whole table on synthetic rooms: fixed keys, order of methods, no leak of held-out labels."""

import dataclasses

import numpy as np
import pytest
from synthetic import NAMES, inputs, room

from chorus.evaluate import tasks
from chorus.evaluate.measure import measure, rounded
from chorus.evaluate.points import TruthPoints
from chorus.evaluate.voting import Voting
from chorus.params import EvaluateParams

PARAMS = EvaluateParams(
    neighbors=5, truth_grid=0.025, probe_steps=60, probe_rows=300, chance_seeds=5, bootstrap=40, instance_vote=False
)
FIXED = [
    *(
        f"zero_shot.{method}.{key}"
        for method in ("student", "points", "lifted", "chance")
        for key in ("f_miou", "f_macc")
    ),
    "zero_shot_withheld.student.f_miou",
    "zero_shot_withheld.lifted.f_miou",
    *(f"linear_probe.{method}.miou" for method in ("student", "points", "color_only")),
    "adaptation.before.f_miou",
    "adaptation.after.f_miou",
    "fit.psnr_heldout_median",
    "storage.factorized_bytes",
    "storage.naive_bytes",
    "seconds.capture",
]


def _at(report, path):
    for key in path.split("."):
        report = report[key]
    return report


@pytest.fixture(scope="module")
def report():
    return measure(inputs(), PARAMS)


@pytest.mark.parametrize("path", FIXED)
def test_every_fixed_key_holds_a_number(report, path):
    assert isinstance(_at(report, path), (int, float))


def test_better_features_score_better(report):
    zero = report["zero_shot"]
    assert zero["chance"]["f_miou"] < min(zero["student"]["f_miou"], zero["lifted"]["f_miou"])
    assert report["adaptation"]["gain"]["f_miou"] == pytest.approx(
        report["adaptation"]["after"]["f_miou"] - report["adaptation"]["before"]["f_miou"], abs=1e-3
    )
    assert (
        report["linear_probe"]["random"]["miou"]
        < report["linear_probe"]["color_only"]["miou"]
        < report["linear_probe"]["student"]["miou"]
    )
    assert report["fit"] == {"psnr_heldout_median": 25.0, "psnr_heldout_worst": 24.0, "scenes": 3}


def test_seen_and_withheld_names_are_apart(report):
    iou = {name: row["lifted"] for name, row in report["per_class"].items()}
    assert report["zero_shot"]["lifted"]["f_miou"] == pytest.approx((iou["chair"] + iou["table"]) / 2, abs=1e-3)
    assert report["zero_shot_withheld"]["lifted"]["f_miou"] == pytest.approx(iou["piano"], abs=1e-3)


def test_the_interval_holds_the_value(report):
    low, high = report["zero_shot"]["student_interval"]
    assert low <= report["zero_shot"]["student"]["f_miou"] <= high
    assert report["zero_shot_ceiling"]["f_miou"] >= high - 1.0


def test_the_same_inputs_give_the_same_report(report):
    assert measure(inputs(), PARAMS) == report


def _relabeled(one):
    truth = one.truth
    shuffled = np.random.default_rng(5).permutation(truth.semantic)
    return dataclasses.replace(
        one, truth=TruthPoints(positions=truth.positions, semantic=shuffled, instance=truth.instance)
    )


def test_held_out_labels_reach_neither_predictions_nor_the_probe(monkeypatch):
    fitted = []
    train = tasks.probe.train
    monkeypatch.setattr(tasks.probe, "train", lambda *a, **k: fitted.append(train(*a, **k)) or fitted[-1])
    plain = inputs()
    hidden = dataclasses.replace(plain, held_out=tuple(map(_relabeled, plain.held_out)))
    for each in (plain, hidden):
        tasks.linear_probe(each, "student", PARAMS, Voting(5))
    assert np.array_equal(fitted[0].weight, fitted[1].weight)
    for a, b in zip(plain.held_out, hidden.held_out, strict=True):
        np.testing.assert_array_equal(*(Voting(5).zero_shot(r.fields["student"], r, plain.text) for r in (a, b)))


def test_training_labels_do_reach_the_probe():
    plain = inputs()
    hidden = dataclasses.replace(plain, probe_train=tuple(map(_relabeled, plain.probe_train)))
    scores = [tasks.linear_probe(each, "student", PARAMS, Voting(5))["miou"] for each in (plain, hidden)]
    assert scores[1] < 0.7 * scores[0]


def test_what_is_absent_is_null_and_does_not_break_the_rest():
    bare = inputs(
        held_out=(room("one_kitchen", 1, noise={"student": 0.2}, pictures=False),),
        probe_train=(),
        adaptation=(),
        fit={},
        storage={},
    )
    got = measure(bare, PARAMS)
    assert got["zero_shot"]["points"]["f_miou"] is None and got["linear_probe"]["student"]["miou"] is None
    assert got["zero_shot"]["student"]["f_miou"] > 0 and got["fit"]["psnr_heldout_median"] is None


def test_the_vote_inside_true_instances_appears_only_when_asked_for(report):
    assert not any("dishonest" in key for key in report)
    asked = measure(inputs(), dataclasses.replace(PARAMS, instance_vote=True))
    assert asked["zero_shot_dishonest_instance_vote"]["student"]["f_miou"] >= report["zero_shot"]["student"]["f_miou"]


def test_rounded_is_plain_json():
    assert rounded({"a": (np.float32(1.23456), float("nan")), "b": [3, "x"]}) == {"a": [1.2346, None], "b": [3, "x"]}
    assert len(NAMES) == 5
