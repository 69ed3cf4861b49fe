"""Worker processes that each handle many runs, one thread each: one process a core scales best."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from chorus.train.pool import Pool
from chorus.train.processes import KILLED, begin_worker
from orchestration.run.one_run import Outcome, run

Job = tuple[tuple[str, ...], str | None]  # assets, scene


class Workers(Pool):
    """``with Workers(2) as workers: for outcome in workers.runs(jobs): ...``; with one worker the runs happen in this
    process."""

    def __init__(self, count: int):
        super().__init__(count, begin_worker, tidying=10.0)  # a run that Ctrl-C reaches records its end

    def runs(self, jobs: Iterable[Job], **options: bool) -> Iterator[Outcome]:
        """Outcomes as they come, in no fixed order."""
        if self.count == 1:
            yield from (run(assets, scene, **options) for assets, scene in jobs)
            return
        for (assets, scene), outcome in self.work(partial(_call, run, options), jobs):
            yield outcome or Outcome(assets=assets, scene=scene, error=KILLED, foreseen=False)


def _call(what: Callable[..., Outcome], options: dict[str, bool], job: Job) -> Outcome:
    assets, scene = job
    return what(assets, scene, **options)
