"""Worker processes: one that is killed takes nothing with it but what killed it."""

import os
import signal
import time
from pathlib import Path

import pytest

from chorus.train.pool import Pool


def begin() -> None:
    """Nothing to prepare."""


def work(job: str) -> str:
    """killer: ends its process; once FILE: only the first time."""
    if job == "killer":
        time.sleep(0.3)  # the others are at work by then
        os.kill(os.getpid(), signal.SIGKILL)
    if job.startswith("once "):
        place = Path(job.removeprefix("once "))
        if not place.exists():
            place.touch()
            os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)
    return job.upper()


def test_all_but_the_one_to_blame_are_done(tmp_path):
    fine = [f"job {number}" for number in range(6)]
    jobs = [*fine[:2], "killer", *fine[2:4], f"once {tmp_path / 'done'}", "killer too", *fine[4:]]
    with Pool(2, begin) as pool:
        found = dict(pool.work(work, jobs))
        later = dict(pool.work(work, ["later"]))
    assert found.pop("killer") is None and list(found) != jobs
    assert found == {job: job.upper() for job in jobs if job != "killer"} and later == {"later": "LATER"}


def test_an_error_of_the_work_is_raised(tmp_path):
    with pytest.raises(AttributeError), Pool(1, begin) as pool:
        list(pool.work(work, [None]))
