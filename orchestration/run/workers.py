"""Worker processes that each handle many runs, one thread each: imports are paid once, and one process a core scales
best."""

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from chorus.train.processes import KILLED, begin_worker
from orchestration.run.one_run import Outcome, run

Job = tuple[tuple[str, ...], str | None]  # assets, scene


class Workers:
    """``with Workers(2) as workers: for outcome in workers.work(jobs): ...``; with one worker the runs happen in this
    process."""

    def __init__(self, count: int):
        self.count = count
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, kind, *_) -> None:
        if self._pool is None:
            return
        self._pool.shutdown(wait=kind is None, cancel_futures=True)
        for child in multiprocessing.active_children() if kind is not None else ():
            child.join(10)  # after Ctrl-C they too are tidying up
            child.terminate()

    def work(self, jobs: Iterable[Job], **options: bool) -> Iterator[Outcome]:
        """Outcomes as they come, in no fixed order."""
        if self.count == 1:
            yield from (run(assets, scene, **options) for assets, scene in jobs)
            return
        futures = {self._submit(assets, scene, **options): (assets, scene) for assets, scene in jobs}
        for future in as_completed(futures):
            try:
                yield future.result()
            except BrokenProcessPool:
                assets, scene = futures[future]
                yield Outcome(assets=assets, scene=scene, error=KILLED, foreseen=False)

    def _submit(self, assets: tuple[str, ...], scene: str | None, **options: bool) -> Future[Outcome]:
        try:
            return self._started().submit(run, assets, scene, **options)
        except BrokenProcessPool:  # a worker was killed, and its pool takes no more work
            self._pool = None
            return self._started().submit(run, assets, scene, **options)

    def _started(self) -> ProcessPoolExecutor:
        self._pool = self._pool or ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"), begin_worker)
        return self._pool
