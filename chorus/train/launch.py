"""Trainings in processes of their own: one process, or the ranks that torchrun starts, one thread each.

A job is a module run by ``python -m``; it ends through :func:`as_job`, which hands its error back. A request to stop is
passed on to every process, which keeps its checkpoint and ends. Nobody outlives whom it was started by.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import chorus.errors
from chorus.errors import ChorusError, Interrupted, LostProcess, Preempted
from chorus.train.meeting import at_the_meeting, meeting
from chorus.train.processes import THREADS
from chorus.train.stop import StopRequests
from chorus.train.world import started
from chorus.whole import scratch_folder

ERRORS = "CHORUS_ERRORS"  # the folder jobs leave their errors in
LOOK_EVERY = 0.2  # seconds
PATIENCE = 60.0  # seconds a job has to end a step and keep its checkpoint
AGAIN = "Run the same command again: it goes on from its checkpoint."


@dataclass(frozen=True)
class Job:
    """``python -m module *arguments``, in as many ranks."""

    name: str  # for an error's line
    module: str
    arguments: tuple[str, ...] = ()
    ranks: int = 1

    @property
    def command(self) -> list[str]:
        start = ["-m", self.module] if self.ranks == 1 else ["-m", __name__, str(self.ranks), self.module]
        return [sys.executable, *start, *self.arguments]


def launch(jobs: Sequence[Job], env: Mapping[str, str] | None = None) -> None:
    """Run the jobs at the same time until all have ended. env: added to this process's.

    Raises the first error of a job as it was raised there, LostProcess naming a job or a rank that was killed; the
    other jobs are then asked to stop, and keep their checkpoints.
    """
    with scratch_folder("jobs") as folder, _running(jobs, folder, env or {}) as running:
        with StopRequests() as stop:
            while running:
                time.sleep(LOOK_EVERY)
                for job in [job for job, process in running.items() if process.poll() is not None]:
                    code = running.pop(job).returncode
                    if code:
                        raise _error(job, code, folder / job.name)
                if stop.asked:
                    _stop(running.values())
                    raise _stopped(jobs, folder, stop.asked)


def as_job(main: Callable[[], None]) -> None:
    """The life of a job's process: what ``main`` raises is left for the one who started it."""
    _follow_parent()
    try:
        main()
    except SystemExit:
        raise
    except BaseException as error:
        _leave_word(error)
        sys.exit(error.exit_code if isinstance(error, ChorusError) else 1)
    finally:
        if started().size > 1:
            from chorus.train.ranks import leave

            leave()


@contextmanager
def _running(jobs: Sequence[Job], folder: Path, env: Mapping[str, str]) -> Iterator[dict[Job, subprocess.Popen[bytes]]]:
    """The jobs' processes, out of reach of the terminal's Ctrl-C; those left at the end are stopped."""
    running: dict[Job, subprocess.Popen[bytes]] = {}
    try:
        for job in jobs:
            errors = folder / job.name
            errors.mkdir()
            environment = {**os.environ, **THREADS, **env, **meeting(folder / f"{job.name}.ranks"), ERRORS: str(errors)}
            running[job] = subprocess.Popen(job.command, env=environment, start_new_session=True)
        yield running
    finally:
        _stop(running.values())


def _stop(processes) -> None:
    """Ask them to keep their checkpoints and end, and see to it that they do."""
    left = [process for process in processes if process.poll() is None]
    for process in left:
        process.terminate()
    until = time.monotonic() + PATIENCE
    for process in left:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _stopped(jobs: Sequence[Job], folder: Path, number: int) -> Exception:
    words = [word for job in jobs for word in _words(folder / job.name) if word["kind"] == Preempted.__name__]
    kind = Interrupted if number == signal.SIGINT else Preempted
    if words:
        return _rebuilt({**words[0], "kind": kind.__name__})
    return kind(", ".join(job.name for job in jobs), expected="to end", got="a request to stop", fix=AGAIN)


def _error(job: Job, code: int, folder: Path) -> Exception:
    """What a job that ended with this code died of."""
    words = _words(folder)
    if words:
        return _rebuilt(words[0])
    return LostProcess(job.name, expected="a training that ends", got=_death(code), fix=AGAIN)


def _death(code: int) -> str:
    if code >= 0:
        return f"exit code {code}"
    often = ", most often for want of memory" if code == -signal.SIGKILL else ""
    return f"a process killed by {signal.Signals(-code).name}{often}"


def _leave_word(error: BaseException) -> None:
    folder = os.environ.get(ERRORS)
    if folder is None:
        traceback.print_exception(error)
        return
    word = {"kind": type(error).__name__}
    if isinstance(error, ChorusError):
        word |= {"where": error.where, "expected": error.expected, "got": error.got, "fix": error.fix}
    else:
        word |= {"kind": "", "trace": "".join(traceback.format_exception(error))}
    first = 0 if not isinstance(error, (LostProcess, Preempted)) else 1 if "RANK" not in os.environ else 2
    (Path(folder) / f"{first}-{time.time():.6f}-{started().rank}.json").write_text(json.dumps(word))


def _words(folder: Path) -> list[dict]:
    """Errors left there: causes before consequences (a rank that misses another knows no more than that), the earliest
    first."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


def _rebuilt(word: dict) -> Exception:
    if not word["kind"]:
        return RuntimeError(word["trace"])
    kind = getattr(chorus.errors, word.pop("kind"))
    return kind(word.pop("where"), **word)


def _follow_parent() -> None:
    """End with whom this process was started by, however that ends."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(LOOK_EVERY)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _torchrun() -> None:
    """torchrun, with its account of a failure as one line. Arguments: the number of ranks, the module, its own."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    ranks, module, *arguments = sys.argv[1:]
    words = [*at_the_meeting(), f"--nproc-per-node={ranks}", "-m", module, *arguments]
    try:
        run(parse_args(words))
    except SignalException as error:
        sys.exit(128 + error.sigval)
    except ChildFailedError as error:
        killed = {rank: f.exitcode for rank, f in error.failures.items() if f.exitcode < 0}
        killed = {rank: code for rank, code in killed.items() if code != -signal.SIGTERM} or killed
        if killed:
            rank, code = min(killed.items())
            where = f"rank {rank} of {ranks}"
            raise LostProcess(where, expected="a rank that ends", got=_death(code), fix=AGAIN) from error
        sys.exit(error.get_first_failure()[1].exitcode)


if __name__ == "__main__":
    as_job(_torchrun)
