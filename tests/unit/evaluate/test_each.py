"""Two at a time, in order."""

import threading

import pytest

from chorus.evaluate import each as module
from chorus.evaluate.each import each


def test_results_come_in_the_order_of_the_items(monkeypatch):
    monkeypatch.setattr(module.os, "cpu_count", lambda: 2)
    met = threading.Barrier(2, timeout=30)  # passed only when two items are under way at once

    def make(item: int) -> int:
        met.wait()
        return item * item

    assert each(make, range(6)) == (0, 1, 4, 9, 16, 25)
    assert each(make, ()) == ()


def test_the_first_error_is_raised():
    with pytest.raises(ZeroDivisionError):
        each(lambda item: 1 / item, [1, 0, 2])
