"""Runs whose process was killed are marked as failed by who starts next; those that go on are left alone."""

import os
import signal
import subprocess
import sys
import time

import dagster as dg
from dagster._core.storage.dagster_run import DagsterRunStatus

from chorus.train.processes import is_gone, this_process
from orchestration.materialize import main
from orchestration.run import history
from orchestration.run.lost import mark_lost
from orchestration.run.one_run import _origin
from orchestration.workspace import PROCESS
from tests.pipeline import fakes


def status(run_id: str) -> str:
    return history.instance().get_run_by_id(run_id).status.value


def new_run(tag: str = "", state: DagsterRunStatus = DagsterRunStatus.STARTED) -> str:
    """A run in the history, as a process that worked on it left it."""
    made = {"job_name": "x", "status": state, "run_id": os.urandom(16).hex(), "remote_job_origin": _origin("x")}
    run = history.instance().add_run(dg.DagsterRun(**made))
    if tag:
        history.instance().add_run_tags(run.run_id, {PROCESS: tag.replace("RUN", run.run_id)})
    return run.run_id


def word_of_the_dead() -> str:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    host, _, began = this_process().rsplit(":", 2)
    stat = f"/proc/{process.pid}/stat"
    with open(stat) as stream:
        began = stream.read().rpartition(")")[2].split()[19]
    word = f"{host}:{process.pid}:{began}"
    assert not is_gone(word)
    process.send_signal(signal.SIGKILL)
    time.sleep(0.1)
    assert is_gone(word)  # while nobody has asked how it ended, too
    process.wait()
    return word


def test_a_process_is_known_by_number_and_beginning():
    host, number, _ = this_process().rsplit(":", 2)
    assert not is_gone(this_process()) and is_gone(f"{host}:{number}:1") and not is_gone(f"elsewhere:{number}:1")
    assert is_gone(word_of_the_dead())


def test_only_runs_of_dead_processes_are_lost(workspace):
    dead = word_of_the_dead()
    runs = {
        "killed": new_run(f"RUN {dead}"),
        "killed while starting": new_run(f"RUN {dead}", DagsterRunStatus.STARTING),
        "lives": new_run(f"RUN {this_process()}"),
        "elsewhere": new_run("RUN elsewhere:1:1"),
        "inherited": new_run(f"other {dead}"),
        "waits": new_run(state=DagsterRunStatus.QUEUED),
        "done": new_run(f"RUN {dead}", DagsterRunStatus.SUCCESS),
    }
    assert set(mark_lost(history.instance())) == {runs["killed"], runs["killed while starting"]}
    assert set(mark_lost(history.instance(), unbegun=True)) == {runs["inherited"]}
    failed = {name for name, run in runs.items() if status(run) == "FAILURE"}
    assert failed == {"killed", "killed while starting", "inherited"}
    assert status(runs["waits"]) == "QUEUED" and status(runs["lives"]) == "STARTED"


def test_the_command_line_marks_them(workspace, monkeypatch):
    fakes.install(monkeypatch)
    killed = new_run(f"RUN {word_of_the_dead()}")
    assert main(["scenes/capture", "room-a", "--jobs", "1"]) == 0
    assert status(killed) == "FAILURE"
    (made,) = [run for run in history.instance().get_runs() if run.status is DagsterRunStatus.SUCCESS]
    assert made.tags[PROCESS] == f"{made.run_id} {this_process()}"
