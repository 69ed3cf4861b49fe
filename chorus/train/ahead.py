"""What a step will read, made while the steps before it compute."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Made = TypeVar("Made")


class Ahead(Generic[Made]):
    """``make(number)``, by number; after number n those at n + stride, n + 2 stride, ... below ``end`` are begun in
    threads, as many as ``depth``. What was begun for nothing is dropped; an error is raised where its number is asked
    for."""

    def __init__(self, make: Callable[[int], Made], *, stride: int = 1, depth: int = 2, end: int | None = None):
        self._make, self._stride, self._depth, self._end = make, stride, depth, end
        self._begun: dict[int, Future[Made]] = {}
        self._threads = ThreadPoolExecutor(depth, "ahead") if depth else None

    def __getitem__(self, number: int) -> Made:
        begun = self._begun.pop(number, None)
        if self._threads is not None:
            coming = range(number + self._stride, number + self._stride * self._depth + 1, self._stride)
            wanted = [n for n in coming if self._end is None or n < self._end]
            for dropped in self._begun.keys() - set(wanted):
                self._begun.pop(dropped).cancel()
            for n in wanted:
                if n not in self._begun:
                    self._begun[n] = self._threads.submit(self._make, n)
        return self._make(number) if begun is None else begun.result()

    def close(self) -> None:
        """End the threads; what they make is dropped."""
        self._begun.clear()
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
