"""The whole table on synthetic rooms: fixed keys, order of methods, no leak of the test's labels."""

import dataclasses

import numpy as np
import pytest
from synthetic import NAMES, inputs, room

from chorus.evaluate import limits, tasks
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
    "zero_shot_all.student.f_miou",
    *(f"validation.{method}.{key}" for method in ("student", "points") for key in ("f_miou", "f_macc")),
    *(f"validation.adaptation.{side}.f_miou" for side in ("before", "after")),
    *(f"linear_probe.{method}.miou" for method in ("student", "points", "color_only")),
    "adaptation.before.f_miou",
    "adaptation.after.f_miou",
    "fit.psnr_blind_median",
    "fit.psnr_raw_median",
    "storage.targets_bytes",
    "storage.naive_bytes",
    "storage.rows_cosine",
    "seconds.work.capture",
    "seconds.wall.encoder",
    "per_room.one_kitchen.psnr",
    "per_room.two_bath.f_miou.student",
    *(f"calibration.{method}.ece" for method in ("student", "points", "lifted")),
    "confusion.student.chair.chair",
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


def test_rooms_names_and_mistakes_add_up(report):
    rows = report["confusion"]["student"]
    assert {name: sum(row.values()) for name, row in rows.items()} == {
        name: row["count"] for name, row in report["per_class"].items()
    }
    hits, called = rows["chair"]["chair"], sum(row.get("chair", 0) for row in rows.values())
    union = sum(rows["chair"].values()) + called - hits
    assert 100 * hits / union == pytest.approx(report["per_class"]["chair"]["student"], abs=1e-3)
    room = report["per_room"]["one_kitchen"]
    assert (room["home"], room["gaussians"], room["points"], room["psnr"]) == ("one", 700, 700, 25.0)
    alone = measure(inputs(test=inputs().test[:1]), PARAMS)
    assert room["f_miou"]["student"] == pytest.approx(alone["zero_shot_all"]["student"]["f_miou"], abs=1e-3)


def test_held_out_psnr_uses_nothing_of_the_view(report):
    blind = {"psnr_blind_median": 25.0, "psnr_blind_worst": 24.0}
    assert report["fit"] == {**blind, "psnr_raw_median": 22.5, "scenes": 3}


def test_seconds_say_wall_or_work(report):
    assert report["seconds"] == {"wall": {"encoder": 30.0}, "work": {"capture": 12.3, "gaussians": 60.0}}


def test_taught_withheld_and_all_names_are_apart(report):
    iou = {name: row["lifted"] for name, row in report["per_class"].items()}
    assert report["zero_shot"]["lifted"]["f_miou"] == pytest.approx((iou["chair"] + iou["table"]) / 2, abs=1e-3)
    assert report["zero_shot_withheld"]["lifted"]["f_miou"] == pytest.approx(iou["piano"], abs=1e-3)
    everything = (iou["chair"] + iou["table"] + iou["piano"]) / 3
    assert report["zero_shot_all"]["lifted"]["f_miou"] == pytest.approx(everything, abs=1e-3)


def test_a_name_no_training_room_shows_counts_among_all_names_alone():
    report = measure(inputs(taught=("wall", "floor", "chair")), PARAMS)
    iou = {name: row["lifted"] for name, row in report["per_class"].items()}
    assert report["zero_shot"]["lifted"]["f_miou"] == pytest.approx(iou["chair"], abs=1e-3)
    assert report["zero_shot_withheld"]["lifted"]["f_miou"] == pytest.approx(iou["piano"], abs=1e-3)


def test_validation_is_measured_as_the_test_is(report):
    """The same rooms as test and as validation have the same figures."""
    plain = inputs()
    swapped = inputs(test=plain.validation, adaptation=plain.validation_adaptation, validation=plain.test)
    other = measure(swapped, PARAMS)
    for method in ("student", "points"):
        kept = {key: other["zero_shot"][method][key] for key in ("f_miou", "f_macc")}
        assert report["validation"][method] == kept
        assert other["validation"][method]["f_miou"] == report["zero_shot"][method]["f_miou"]
    before = report["validation"]["adaptation"]["before"]["f_miou"]
    assert before == other["adaptation"]["before"]["f_miou"]
    assert report["validation"]["homes"] == ["val", "wal"] and report["validation"]["rooms"] == ["val_den", "wal_den"]
    assert measure(inputs(split="validation", validation=(), validation_adaptation=()), PARAMS)["validation"] == {}


def test_the_interval_holds_the_value(report):
    for block in ("zero_shot", "zero_shot_all"):
        low, high = report[block]["student_interval"]
        assert low <= report[block]["student"]["f_miou"] <= high
    assert report["zero_shot_ceiling"]["f_miou"] >= report["zero_shot_all"]["student"]["f_miou"]


@pytest.mark.parametrize(("student", "lifted"), [(3.0, 0.1), (0.1, 3.0)])
def test_the_lead_over_the_lifted_teacher_is_paired(student, lifted):
    """Against a teacher that is plainly better, and one that knows nothing."""
    noise = {"lifted": lifted, "student": student, "points": 0.35}
    rooms = [room(f"{home}_den", 40 + i, noise=noise, pictures=False) for i, home in enumerate(("one", "two", "six"))]
    report = measure(inputs(test=tuple(rooms)), PARAMS)
    table = report["zero_shot"]
    lead = table["student"]["f_miou"] - table["lifted"]["f_miou"]
    low, high = table["student_minus_lifted_interval"]
    assert low <= lead <= high and (high < 0 if lifted < student else low > 0)
    (said,) = limits.against_teacher(report)
    assert f"{lead:+.1f} points of f-mIoU (95 % [{low:+.1f}, {high:+.1f}])" in said


def test_one_home_has_no_interval():
    kitchen = room("one_kitchen", 1, pictures=False)
    report = measure(inputs(test=(kitchen, dataclasses.replace(kitchen, name="one_bath"))), PARAMS)
    assert report["zero_shot"]["student_interval"] == [None, None] and limits.against_teacher(report) == []
    assert report["zero_shot"]["student"]["f_miou"] > 0 and report["data"]["homes"] == ["one"]


def test_the_same_inputs_give_the_same_report(report):
    assert measure(inputs(), PARAMS) == report


def _relabeled(one):
    truth = one.truth
    shuffled = np.random.default_rng(5).permutation(truth.semantic)
    return dataclasses.replace(
        one, truth=TruthPoints(positions=truth.positions, semantic=shuffled, instance=truth.instance)
    )


def test_labels_of_the_test_reach_neither_predictions_nor_the_probe(monkeypatch):
    fitted = []
    fit = tasks.LinearProbe.fit
    monkeypatch.setattr(tasks.LinearProbe, "fit", lambda *given: fitted.append(fit(*given)) or fitted[-1])
    plain = inputs()
    hidden = dataclasses.replace(plain, test=tuple(map(_relabeled, plain.test)))
    for each in (plain, hidden):
        tasks.linear_probe(each, "student", PARAMS, Voting(5))
    assert np.array_equal(fitted[0].weight_, fitted[1].weight_)
    for a, b in zip(plain.test, hidden.test, strict=True):
        np.testing.assert_array_equal(*(Voting(5).zero_shot(r.fields["student"], r, plain.text) for r in (a, b)))


def test_training_labels_do_reach_the_probe():
    plain = inputs()
    hidden = dataclasses.replace(plain, probe_train=tuple(map(_relabeled, plain.probe_train)))
    scores = [tasks.linear_probe(each, "student", PARAMS, Voting(5))["miou"] for each in (plain, hidden)]
    assert scores[1] < 0.7 * scores[0]


def test_what_is_absent_is_null_and_does_not_break_the_rest():
    bare = inputs(
        test=(room("one_kitchen", 1, noise={"student": 0.2}, pictures=False),),
        probe_train=(),
        adaptation=(),
        fit={},
        storage={},
    )
    got = measure(bare, PARAMS)
    assert got["zero_shot"]["points"]["f_miou"] is None and got["linear_probe"]["student"]["miou"] is None
    assert got["zero_shot"]["student"]["f_miou"] > 0 and got["fit"]["psnr_blind_median"] is None


def test_the_vote_inside_true_instances_appears_only_when_asked_for(report):
    assert not any("dishonest" in key for key in report)
    asked = measure(inputs(), dataclasses.replace(PARAMS, instance_vote=True))
    assert asked["zero_shot_dishonest_instance_vote"]["student"]["f_miou"] >= report["zero_shot"]["student"]["f_miou"]


def test_rounded_is_plain_json():
    assert rounded({"a": (np.float32(1.23456), float("nan")), "b": [3, "x"]}) == {"a": [1.2346, None], "b": [3, "x"]}
    assert len(NAMES) == 5
