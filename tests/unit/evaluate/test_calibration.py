"""How far shares are from probabilities, against scikit-learn's curve and known cases."""

from dataclasses import replace

import numpy as np
import pytest
from synthetic import inputs, room, text

from chorus.evaluate.calibration import BINS, calibration, reliability


@pytest.mark.parametrize("seed", range(4))
def test_bins_are_those_of_scikit_learn(seed):
    sklearn = pytest.importorskip("sklearn.calibration")
    rng = np.random.default_rng(seed)
    share = rng.random(2000) ** (1 + seed)
    right = rng.random(2000) < share**2
    found = reliability(share, right)
    truth, predicted = sklearn.calibration_curve(right, share, n_bins=BINS)
    np.testing.assert_allclose([one["right"] for one in found["bins"]], 100 * truth)
    np.testing.assert_allclose([one["share"] for one in found["bins"]], 100 * predicted)
    assert sum(one["count"] for one in found["bins"]) == 2000


def test_a_share_that_is_a_probability_is_not_off_and_a_sure_mistake_is_wholly():
    rng = np.random.default_rng(0)
    share = rng.random(200_000)
    assert reliability(share, rng.random(200_000) < share)["ece"] < 1
    assert reliability(np.ones(9), np.zeros(9, bool)) == {
        "ece": 100.0,
        "bins": [{"share": 100.0, "right": 0.0, "count": 9}],
    }


def test_clear_features_are_right_and_silent_gaussians_are_left_out():
    clean = room("one_kitchen", 1, noise={"student": 1e-6, "lifted": 1e-6})
    found = calibration([clean], "student", text())
    assert all(one["right"] == 100 for one in found["bins"])
    speaking = calibration([clean], "lifted", text())
    counts = [sum(one["count"] for one in each["bins"]) for each in (found, speaking)]
    assert counts[1] == clean.fields["lifted"].speaks.sum() < counts[0] == 700


def test_a_method_without_words_has_no_bins():
    silent = replace(inputs().test[0], fields={})
    assert calibration([silent], "student", text())["bins"] == []
