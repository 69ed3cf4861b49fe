"""A worker that is killed takes what it worked on with it, and nothing that is asked for later."""

import os
import signal
import sys

import pytest

from chorus.train.processes import KILLED
from orchestration.run import workers
from orchestration.run.one_run import Outcome


def stand_in(assets: tuple[str, ...], scene: str | None) -> Outcome:
    if scene == "killer":
        os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(assets=assets, scene=scene)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="kills by signal")
def test_work_goes_on_after_a_worker_was_killed(monkeypatch):
    monkeypatch.setattr(workers, "run", stand_in)
    with workers.Workers(2) as pool:
        (lost,) = pool.work([(("a",), "killer")])
        later = list(pool.work([(("a",), "one"), (("a",), "two")]))
    assert lost.error == KILLED and lost.scene == "killer"
    assert sorted(outcome.scene for outcome in later if not outcome.error) == ["one", "two"]
