"""Metrics against literal loops and closed forms."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, jaccard_score

from chorus import metrics
from chorus.errors import InputError

NAMES = ("wall", "floor", "chair", "table", "sofa")


def _literal_iou(truth, predicted, c):
    both = either = held = 0
    for t, p in zip(truth, predicted, strict=True):
        if t < 0:
            continue
        both += t == c and p == c
        either += t == c or p == c
        held += t == c
    return both / either if held else float("nan")


@pytest.fixture
def guesses():
    rng = np.random.default_rng(0)
    truth = rng.integers(-1, 4, 500)  # class 4 is absent from the truth
    predicted = np.where(rng.random(500) < 0.6, truth, rng.integers(-1, 5, 500))
    return truth, predicted


def test_iou_and_accuracy_equal_literal_loops(guesses):
    matrix = metrics.confusion(*guesses, 5)
    np.testing.assert_allclose(metrics.iou(matrix), [_literal_iou(*guesses, c) for c in range(5)])
    truth, predicted = guesses
    np.testing.assert_allclose(metrics.accuracy(matrix)[:4], [(predicted[truth == c] == c).mean() for c in range(4)])


def test_foreground_means_leave_out_background_and_absent_classes(guesses):
    matrix = metrics.confusion(*guesses, 5)
    got = metrics.summary(matrix, NAMES)
    iou = metrics.iou(matrix)
    assert got["miou"] == pytest.approx(100 * iou[:4].mean())
    assert got["f_miou"] == pytest.approx(100 * iou[2:4].mean())
    assert metrics.summary(matrix, NAMES, only={"table", "wall"})["f_miou"] == pytest.approx(100 * iou[3])
    assert np.isnan(metrics.summary(matrix, NAMES, only={"sofa"})["f_miou"])


def test_a_missing_prediction_counts_as_wrong():
    matrix = metrics.confusion(np.array([0, 0]), np.array([0, -1]), 1)
    assert metrics.accuracy(matrix)[0] == 0.5 and metrics.iou(matrix)[0] == 0.5


def test_confusion_of_unequal_lengths_is_refused():
    with pytest.raises(InputError, match="one prediction for each of 3 points"):
        metrics.confusion(np.zeros(3), np.zeros(2), 2)


def test_chance_meets_its_expectation():
    counts = np.array([40_000, 20_000, 10_000, 20_000, 10_000])
    matrices = metrics.chance(counts, seeds=8, seed=0)
    np.testing.assert_array_equal(matrices[0].sum(axis=1), counts)
    mean = np.mean([metrics.accuracy(m) for m in matrices], axis=0)
    np.testing.assert_allclose(mean, 0.2, atol=0.01)
    expected = (counts / 5) / (counts + (counts.sum() - counts) / 5)  # hits over truth plus false alarms
    np.testing.assert_allclose(np.mean([metrics.iou(m) for m in matrices], axis=0), expected, atol=0.01)


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
@pytest.mark.parametrize("seed", range(4))
def test_confusion_iou_and_accuracy_are_scikit_learns(seed):
    rng = np.random.default_rng(seed)
    truth = rng.choice(6, 2000, p=[0.5, 0.3, 0.1, 0.06, 0.04, 0.0])  # the last class is in predictions alone
    predicted = np.where(rng.random(2000) < 0.4, truth, rng.integers(0, 6, 2000))
    matrix, held = metrics.confusion(truth, predicted, 6), np.unique(truth)
    np.testing.assert_array_equal(matrix[:, :-1], confusion_matrix(truth, predicted, labels=range(6)))
    wanted = jaccard_score(truth, predicted, labels=held, average=None)
    np.testing.assert_allclose(metrics.iou(matrix)[held], wanted)
    summary = metrics.summary(matrix, (*NAMES, "lamp"))
    assert summary["miou"] == pytest.approx(100 * wanted.mean())
    assert summary["macc"] == pytest.approx(100 * balanced_accuracy_score(truth, predicted))


def test_miou_of_several_scenes_is_that_of_their_points_together(guesses):
    truth, predicted = guesses
    parts = [np.split(ids, [100, 170]) for ids in guesses]
    assert metrics.miou(*parts, 5) == pytest.approx(
        metrics.summary(metrics.confusion(truth, predicted, 5), NAMES)["miou"]
    )
