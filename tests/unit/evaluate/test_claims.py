"""Verdicts: measures from counts beside those of whole matrices, and how often the interval holds the truth."""

import numpy as np
import pytest

from chorus import metrics
from chorus.errors import InputError
from chorus.evaluate import claims, instances
from chorus.evaluate.intervals import room_weights

NAMES = ("wall", "chair", "table", "lamp")
ROOMS = [["a1", "a"], ["a2", "a"], ["b1", "b"], ["c1", "c"], ["c2", "c"]]


def line(row):
    return " ".join(map(str, row))


def figure(seed, luck):
    rng = np.random.default_rng(seed)
    truth = [rng.integers(0, 3, 300) for _ in ROOMS]
    found = [metrics.confusion(t, np.where(rng.random(300) < luck, t, rng.integers(0, 4, 300)), 4) for t in truth]
    counts = {
        "hits": [line(np.diagonal(m[:, :-1])) for m in found],
        "truth": [line(m.sum(axis=1)) for m in found],
        "predicted": [line(m[:, :-1].sum(axis=0)) for m in found],
    }
    return {"rooms": ROOMS, **counts}, found


def test_iou_from_counts_is_that_of_the_matrices():
    counts, matrices = figure(0, 0.6)
    weights = room_weights([home for _, home in ROOMS], draws=20, seed=0)
    for row, f_miou, miou in zip(
        weights, *(claims.measured(counts, name, NAMES, weights) for name in ("f_miou", "miou")), strict=True
    ):
        summary = metrics.summary(np.tensordot(row, np.stack(matrices), axes=1), NAMES)
        assert (f_miou, miou) == pytest.approx((summary["f_miou"], summary["miou"]), nan_ok=True)


def test_average_precision_from_counts_is_that_of_the_rooms():
    rng = np.random.default_rng(0)
    rooms, proposals, truth = [], [], []
    for _ in ROOMS:
        label, classes = rng.integers(1, 4, 9), rng.integers(1, 4, 6)
        one = instances.Proposals(np.zeros(0), label, rng.random(9)), rng.random((9, 6)), classes
        hits = [instances.matches(one, end) for end in (0.25, 0.5)]
        rooms.append(one)
        proposals.append([[int(label[i]), one[0].score[i], *(int(hit[i]) for hit in hits)] for i in range(9)])
        truth.append(line(np.bincount(classes, minlength=4)))
    found = {"rooms": ROOMS, "proposals": proposals, "truth": truth}
    wanted = instances.table(rooms, 4)
    for name in ("ap25", "ap50"):
        assert claims.measured(found, name, NAMES, np.ones((1, 5)))[0] == pytest.approx(wanted[name])


def test_a_large_lead_is_shown_its_reverse_refuted_and_none_not_settled():
    good, poor = ([figure(seed + base, luck)[0] for seed in range(3)] for base, luck in ((0, 0.9), (10, 0.4)))
    options = {"draws": 400, "seed": 0}
    lead = claims.compare(good, poor, "miou", NAMES, **options)
    assert lead.verdict() == "shown" and lead.low < lead.mean < lead.high
    assert claims.compare(poor, good, "miou", NAMES, **options).verdict() == "refuted"
    same = claims.compare(good, good, "miou", NAMES, **options)
    assert same.mean == 0 and same.verdict() == "not settled" and same.verdict(margin=50.0) == "shown"


def test_sides_of_other_rooms_are_refused_and_one_home_settles_nothing():
    one = figure(0, 0.9)[0]
    with pytest.raises(InputError, match="the same rooms on both sides"):
        claims.compare([one], [{**one, "rooms": ROOMS[::-1]}], "miou", NAMES, draws=10, seed=0)
    alone = {**one, "rooms": [[name, "a"] for name, _ in ROOMS]}
    assert claims.compare([alone], [alone], "miou", NAMES, draws=10, seed=0).verdict() == "not settled"


@pytest.mark.parametrize(
    "verdicts, whole",
    [
        (["shown", "shown"], "shown"),
        (["shown", "not settled"], "not settled"),
        (["shown", "refuted"], "refuted"),
        (["shown", "not run"], "not settled"),
        (["not run", "not run"], "not run"),
    ],
)
def test_a_claim_is_as_good_as_its_comparisons(verdicts, whole):
    assert claims.together(verdicts) == whole


def coverage(homes, rooms, seeds, *, between=1.0, worlds=300, truth=2.0):
    """Share of drawn worlds whose interval holds the true difference: rooms and seeds vary by one, homes by
    ``between``."""
    rng, held = np.random.default_rng(0), 0
    names = [str(home) for home in range(homes) for _ in range(rooms)]
    for world in range(worlds):
        lead = truth + between * np.repeat(rng.normal(size=homes), rooms) + rng.normal(size=homes * rooms)
        sides = [[lead + rng.normal() for _ in range(seeds)], [rng.normal() + 0 * lead for _ in range(seeds)]]
        weights = room_weights(names, draws=300, seed=world)
        weights = weights / weights.sum(axis=1, keepdims=True)
        drawn = [claims._over_seeds([weights @ each for each in side], rng) for side in sides]
        center = np.mean(sides[0]) - np.mean(sides[1])
        low, high = claims.widened(drawn[0] - drawn[1], center, homes=homes)
        held += low <= truth <= high
    return held / worlds


def test_the_interval_holds_the_truth_as_often_as_it_says_where_there_are_many_homes():
    assert 0.91 <= coverage(12, 3, 12) <= 0.99


def test_with_two_homes_it_holds_the_truth_as_often_only_where_homes_differ_no_more_than_rooms():
    assert 0.88 <= coverage(2, 3, 3) <= 0.99
    assert 0.5 <= coverage(2, 3, 3, between=5.0) <= 0.88
