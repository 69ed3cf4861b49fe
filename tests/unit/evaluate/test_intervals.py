"""Intervals against a slow literal version: lists of homes, lists of rooms, one draw after another."""

import time

import numpy as np
import pytest

from chorus import metrics
from chorus.evaluate.intervals import f_miou, f_miou_interval, room_weights

NAMES = ("wall", "floor", "chair", "table", "sofa", "lamp")
HOMES = ("b", "a", "b", "c", "b", "a")
DRAWS = 4000


def _matrices(seed, *, luck):
    """A matrix a room; sofa is in one room alone, lamp in none."""
    rng = np.random.default_rng(seed)
    rooms = []
    for i in range(len(HOMES)):
        truth = rng.choice(4, 400) if i else rng.choice([1, 2, 4], 400)
        guess = np.where(rng.random(400) < luck[i], truth, rng.integers(0, 5, 400))
        rooms.append(metrics.confusion(truth, guess, len(NAMES)))
    return rooms


GOOD = _matrices(0, luck=(0.9, 0.3, 0.8, 0.5, 0.7, 0.4))
POOR = _matrices(0, luck=(0.5, 0.3, 0.5, 0.2, 0.6, 0.1))


def _literal_rooms(homes, rng):
    """Numbers of the rooms of one draw."""
    kinds = sorted(set(homes))
    drawn = []
    for _ in kinds:
        home = kinds[rng.integers(len(kinds))]
        own = [i for i, name in enumerate(homes) if name == home]
        drawn += [own[rng.integers(len(own))] for _ in own]
    return drawn


def _literal(methods, homes, only, rng):
    values = []
    for _ in range(DRAWS):
        rooms = _literal_rooms(homes, rng)
        first, *rest = (
            metrics.summary(sum(method[i] for i in rooms), NAMES, only=only)["f_miou"] for method in methods
        )
        values.append(first - sum(rest))
    return np.nanpercentile(values, [2.5, 97.5])


@pytest.mark.parametrize("methods", [[GOOD], [GOOD, POOR]], ids=["one", "difference"])
@pytest.mark.parametrize("only", [NAMES, ("chair", "table")], ids=["all", "some"])
def test_the_interval_equals_the_literal_one(methods, only):
    got = f_miou_interval(methods, HOMES, NAMES, only=only, draws=DRAWS, seed=1)
    wanted = _literal(methods, HOMES, only, np.random.default_rng(2))
    assert wanted[1] - wanted[0] > 5
    np.testing.assert_allclose(got, wanted, atol=0.1 * (wanted[1] - wanted[0]))


def test_figures_of_all_draws_at_once_equal_summaries_one_by_one():
    weights = room_weights(HOMES, draws=30, seed=0)
    sums = np.tensordot(weights, np.stack(GOOD), axes=1)
    for only in (NAMES, ("sofa",), ("lamp",)):
        one_by_one = [metrics.summary(matrix, NAMES, only=only)["f_miou"] for matrix in sums]
        np.testing.assert_allclose(f_miou(sums, NAMES, only=only), one_by_one)


def test_rooms_are_drawn_as_often_and_as_unevenly_as_literally():
    """Mean and covariance of the counts; rooms alone, drawn without their homes, would be far off."""
    rng = np.random.default_rng(3)
    literal = np.array([np.bincount(_literal_rooms(HOMES, rng), minlength=len(HOMES)) for _ in range(20_000)])
    weights = room_weights(HOMES, draws=20_000, seed=4)
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.04)
    np.testing.assert_allclose(np.cov(weights.T), np.cov(literal.T), atol=0.07)
    rooms_alone = rng.multinomial(len(HOMES), np.full(len(HOMES), 1 / len(HOMES)), size=20_000)
    assert np.abs(np.cov(weights.T) - np.cov(rooms_alone.T)).max() > 0.3


def test_a_method_against_itself_differs_nowhere():
    assert f_miou_interval([GOOD, GOOD], HOMES, NAMES, only=NAMES, draws=50, seed=0) == [0.0, 0.0]


def test_one_home_has_no_interval():
    assert np.isnan(f_miou_interval([GOOD], ["a"] * len(HOMES), NAMES, only=NAMES, draws=50, seed=0)).all()


def test_names_that_occur_nowhere_have_no_interval():
    assert np.isnan(f_miou_interval([GOOD], HOMES, NAMES, only=("lamp",), draws=50, seed=0)).all()


def test_two_thousand_draws_cost_less_than_a_hundred_literal_ones():
    def seconds(work):
        start = time.process_time()
        work()
        return time.process_time() - start

    weights = room_weights(HOMES, draws=100, seed=0)
    slow = seconds(lambda: [metrics.summary(np.tensordot(w, np.stack(GOOD), axes=1), NAMES)["f_miou"] for w in weights])
    fast = min(seconds(lambda: f_miou_interval([GOOD], HOMES, NAMES, only=NAMES, draws=2000, seed=0)) for _ in range(3))
    assert fast < slow
