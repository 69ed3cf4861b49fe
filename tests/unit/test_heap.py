"""Large arrays inside kept_heap come from the heap; all is given back at the end."""

import multiprocessing
import resource

import pytest
import torch

from chorus import heap

WHERE = pytest.mark.skipif(heap._glibc() is None, reason="another C library")


@pytest.fixture(scope="module")
def fresh_process():
    """Calls a function in a process whose heap holds nothing that other tests let go."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield lambda function: pool.apply(function)


def faults(size: int, times: int = 20) -> int:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        torch.empty(size, dtype=torch.uint8).fill_(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def faults_outside_and_within() -> tuple[int, int]:
    size = 80 * 2**20
    fresh = faults(size)
    with heap.kept_heap(), heap.kept_heap():
        faults(size, 1)
        return fresh, faults(size)


@WHERE
def test_temporaries_touch_no_fresh_pages(fresh_process):
    fresh, kept = fresh_process(faults_outside_and_within)
    assert fresh > 100_000 and kept < fresh / 2  # small arrays that land between make some of it anew


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def held_and_left() -> tuple[int, int]:
    before = resident()
    with heap.kept_heap():
        arrays = [torch.empty(60 * 2**20, dtype=torch.uint8).fill_(1) for _ in range(5)]
        held = resident() - before
        del arrays
        heap.give_back()
        return held, resident() - before


@WHERE
def test_what_was_kept_is_given_back(fresh_process):
    held, left = fresh_process(held_and_left)
    assert held > 250 * 2**20 and left < 100 * 2**20


def test_it_does_nothing_without_glibc(monkeypatch):
    monkeypatch.setattr(heap, "_glibc", lambda: None)
    with heap.kept_heap():
        heap.give_back()
