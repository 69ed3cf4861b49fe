"""A worker that is killed takes what it worked on with it, and nothing else."""

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
    scenes = ["one", "two", "killer", "three", "four"]
    with workers.Workers(2) as pool:
        found = {outcome.scene: outcome.error for outcome in pool.runs([(("a",), scene) for scene in scenes])}
        later = list(pool.runs([(("a",), "five")]))
    assert found == {**dict.fromkeys(scenes, ""), "killer": KILLED}
    assert [outcome.scene for outcome in later if not outcome.error] == ["five"]
