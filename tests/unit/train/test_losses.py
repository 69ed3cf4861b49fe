"""Rows of averaged losses."""

import pytest
import torch

from chorus.train.losses import LossCurve
from chorus.train.ranks import Ranks


def course(curve, losses):
    """The rows after one step for each dict of losses."""
    for step, values in enumerate(losses):
        curve.add({name: torch.tensor(value) for name, value in values.items()})
        if curve.due(step + 1):
            curve.close_row(step + 1, 0.1 * step, Ranks())
    return curve.rows


def test_rows_hold_means_since_the_last_row_and_the_end_has_one():
    rows = course(LossCurve(every=2, steps=5), [{"loss": float(step)} for step in range(5)])
    assert [(row["step"], row["loss"]) for row in rows] == [(2, 0.5), (4, 2.5), (5, 4.0)]
    assert rows[1]["lr"] == pytest.approx(0.3)


def test_a_loss_that_a_sample_lacks_does_not_count_in_it():
    losses = [{"lang": 1.0}, {"lang": 3.0, "object": 7.0}, {"object": 9.0}]
    assert course(LossCurve(every=3, steps=3), losses) == [{"step": 3, "lr": 0.2, "lang": 2.0, "object": 8.0}]


def test_a_curve_goes_on_between_two_rows():
    losses = [{"loss": 0.1 * step} for step in range(5)]
    first, second = LossCurve(every=5, steps=5), LossCurve(every=5, steps=5)
    course(first, losses[:3])
    second.restore(first.rows, first.sums(), torch.device("cpu"))
    for values in losses[3:]:
        second.add({name: torch.tensor(value) for name, value in values.items()})
    straight = course(LossCurve(every=5, steps=5), losses)
    assert second.close_row(5, 0.4, Ranks()) == straight[-1]
