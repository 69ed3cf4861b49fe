"""Worker processes that do many pieces of work each: imports are paid once, and what a killed one was at is done once
more."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import resource_tracker
from typing import Any, TypeVar

Job = TypeVar("Job", bound=Hashable)


class Pool:
    """``with Pool(2, begin) as pool: for job, result in pool.work(call, jobs): ...``

    count: of processes, started when there is work and kept until the end; begin: called first in each; tidying: s that
    each gets to end by itself after an error or Ctrl-C; quiet: Ctrl-C reaches none of them, from their first moment.
    """

    def __init__(self, count: int, begin: Callable[[], None], *, tidying: float = 0.0, quiet: bool = False):
        self.count, self._begin, self._tidying = count, partial(_deaf, begin) if quiet else begin, tidying
        self._starting = _held_back if quiet else contextlib.nullcontext
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, kind, *_) -> None:
        if self._pool is None:
            return
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
        for child in multiprocessing.active_children() if kind is not None else ():
            child.join(self._tidying)
            child.terminate()

    def work(self, call: Callable[[Job], Any], jobs: Iterable[Job]) -> Iterator[tuple[Job, Any]]:
        """Each job with what the call makes of it, as they come, in no fixed order; with None where its process was
        killed twice. Nobody knows which of the processes that end together was killed: what they were at is done once
        more at the end, one by one, so that only the one that is to blame is lost."""
        waiting, again = deque(jobs), set()
        flying: dict[Future[Any], Job] = {}
        while waiting or flying:
            while waiting and len(flying) < self.count and not (flying and again & {waiting[0], *flying.values()}):
                job = waiting.popleft()
                flying[self._submit(call, job)] = job
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                job = flying.pop(future)
                try:
                    result = future.result()
                except BrokenProcessPool:
                    if job not in again:
                        again.add(job)
                        waiting.append(job)
                        continue
                    result = None
                yield job, result

    def _submit(self, call: Callable[[Job], Any], job: Job) -> Future[Any]:
        with self._starting():
            try:
                return self._started().submit(call, job)
            except BrokenProcessPool:  # a worker was killed, and its pool takes no more work
                self._pool = None
                return self._started().submit(call, job)

    def _started(self) -> ProcessPoolExecutor:
        self._pool = self._pool or ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"), self._begin)
        return self._pool


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Ctrl-C waits until the end, here and in every process that is started meanwhile until that lets it through."""
    resource_tracker.ensure_running()  # else the first process starts it, and it lets Ctrl-C through for all
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _deaf(begin: Callable[[], None]) -> None:
    """In a new worker: what came while it started is dropped, as what comes later."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    begin()
