"""Worker processes: one that is killed takes nothing with it but what killed it."""

import os
import signal
import time
from pathlib import Path

import pytest

from chorus.train.pool import Pool

if os.environ.get("CTRL_C_TO_CHILDREN_OF") == str(os.getppid()):
    os.kill(os.getpid(), signal.SIGINT)  # a worker reads this before anything of it can be called


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


@pytest.fixture
def ctrl_c():
    """As at a terminal: what a script starts in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(job: str) -> bool:
    """Whether Ctrl-C reaches this process."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
    except KeyboardInterrupt:
        return True
    return False


def test_ctrl_c_reaches_no_quiet_worker_even_while_it_starts(ctrl_c, monkeypatch):
    monkeypatch.setenv("CTRL_C_TO_CHILDREN_OF", str(os.getpid()))
    with Pool(1, begin, quiet=True) as pool:
        assert dict(pool.work(interrupted, ["job"])) == {"job": False}
    with pytest.raises(KeyboardInterrupt):  # and this process it reaches as ever
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)


def test_ctrl_c_while_a_quiet_pool_starts_is_not_lost(ctrl_c, monkeypatch):
    started = Pool._started

    def slow(self):
        os.kill(os.getpid(), signal.SIGINT)
        return started(self)

    monkeypatch.setattr(Pool, "_started", slow)
    with pytest.raises(KeyboardInterrupt), Pool(1, begin, quiet=True) as pool:
        list(pool.work(work, ["job"]))
