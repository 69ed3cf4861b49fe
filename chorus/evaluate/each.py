"""Rooms and methods two at a time: numpy, scipy and torch let go of the interpreter while they work."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def each(make: Callable[[T], R], items: Iterable[T]) -> tuple[R, ...]:
    """``make`` of every item, in their order, in as many threads as there are cores, two at most (memory). The first
    error ends it."""
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return tuple(pool.map(make, items))
