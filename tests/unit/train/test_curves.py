"""Rows of averaged losses."""

import pytest

from chorus.errors import InputError
from chorus.train.curves import LossCurve, read_curves, write_curves


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


def test_what_is_written_is_read_back_with_gaps(tmp_path):
    rows = [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 1.25, "object": 0.5}]
    write_curves(tmp_path / "curves.csv", rows)
    assert read_curves(tmp_path / "curves.csv") == [{**rows[0], "object": None}, rows[1]]


@pytest.mark.parametrize("text", ["step,loss\n1,x\n", "step,loss\n", "", None])
def test_a_table_that_is_none_is_named(tmp_path, text):
    path = tmp_path / "curves.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match="curves.csv: expected .* Train the model again"):
        read_curves(path)
