"""curves.csv."""

import pytest

from chorus.errors import InputError
from chorus.train.curves import read_curves, write_curves


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
