"""Large arrays inside kept_heap come from the heap; all is given back at the end."""

import resource

import pytest
import torch

from chorus import heap


def faults(size: int, times: int = 20) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.empty(size, dtype=torch.uint8).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(heap._glibc() is None, reason="another C library")
def test_temporaries_touch_no_fresh_pages():
    size = 80 * 2**20
    fresh = faults(size)
    with heap.kept_heap(), heap.kept_heap():
        faults(size, 1)
        kept = faults(size)
    assert fresh > 100_000 and kept < fresh / 2  # small arrays that land between make some of it anew


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.skipif(heap._glibc() is None, reason="another C library")
def test_what_was_kept_is_given_back():
    before = resident()
    with heap.kept_heap():
        held = [torch.empty(60 * 2**20, dtype=torch.uint8).fill_(1) for _ in range(5)]
        assert resident() - before > 250 * 2**20
        del held
        heap.give_back()
        assert resident() - before < 100 * 2**20


def test_it_does_nothing_without_glibc(monkeypatch):
    monkeypatch.setattr(heap, "_glibc", lambda: None)
    with heap.kept_heap():
        heap.give_back()
