"""Work for one model: done one piece at a time, with a line before it that has an end."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from chorus.serve.refusals import Busy, Gone

T = TypeVar("T")
LOOK = 0.5  # s between two looks whether a client that waits is still there
LONGEST = 120  # s that a client is told to wait, at most
_MEMORY = 0.2  # share of the newest piece in the mean of their seconds


class Work:
    """waiting: pieces that may wait beside the one that is being done."""

    def __init__(self, waiting: int):
        self.most = waiting + 1
        self.held = 0  # pieces that are done or wait
        self._seconds = 1.0  # that a piece takes
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="model")

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the line, held until the block ends. Raises Busy where there is none."""
        with self._lock:
            if self.held >= self.most:
                seconds = min(max(math.ceil(self.held * self._seconds), 1), LONGEST)
                got = f"{self.held} before it"
                fix = f"Try again in {seconds} s."
                raise Busy("server", expected="a free place in its queue", got=got, fix=fix, seconds=seconds)
            self.held += 1
        try:
            yield
        finally:
            with self._lock:
                self.held -= 1

    async def do(self, piece: Callable[[], T], *, left: Callable[[], Awaitable[bool]] | None = None) -> T:
        """What a piece gives, by who holds a place. left: whether the client is gone: then a piece that was not begun
        is not, and Gone is raised."""
        future = self._pool.submit(self._timed, piece)
        waiter = asyncio.wrap_future(future)
        while not waiter.done():
            await asyncio.wait({waiter}, timeout=LOOK)
            if not waiter.done() and left is not None and await left() and future.cancel():
                raise Gone("client", expected="one that waits", got="none")
        return waiter.result()

    def call(self, piece: Callable[[], T]) -> T:
        """The same from a thread, place included. Raises Busy."""
        with self.place():
            future: Future[T] = self._pool.submit(self._timed, piece)
            return future.result()

    def close(self) -> None:
        """Drop what waits; what was begun is finished."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _timed(self, piece: Callable[[], T]) -> T:
        start = time.perf_counter()
        try:
            return piece()
        finally:
            self._seconds += _MEMORY * (time.perf_counter() - start - self._seconds)
