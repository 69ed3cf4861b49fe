"""Rows of averaged losses."""

import pytest

from chorus.distill.loss_curve import LossCurve


def test_rows_hold_means_since_the_last_row_and_the_end_has_one():
    curve = LossCurve(every=2, steps=5)
    for step in range(5):
        curve.add(step + 1, lr=0.1 * step, losses={"loss": float(step)})
    assert [(row["step"], row["loss"]) for row in curve.rows] == [(2, 0.5), (4, 2.5), (5, 4.0)]
    assert curve.rows[1]["lr"] == pytest.approx(0.3)


def test_a_loss_that_a_step_lacks_does_not_count_in_it():
    curve = LossCurve(every=3, steps=3)
    for step, losses in enumerate([{"lang": 1.0}, {"lang": 3.0, "object": 7.0}, {"object": 9.0}]):
        curve.add(step + 1, lr=1.0, losses=losses)
    assert curve.rows == [{"step": 3, "lr": 1.0, "lang": 2.0, "object": 8.0}]
