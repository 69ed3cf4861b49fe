"""SIGKILL at random moments to the processes of the interface while a launched run goes on: the daemon, the server of
code, a run's own process, MLflow's server, or all at once. Where it is opened next no run is stuck, and what is
launched then ends in the bytes of a workspace that nobody disturbed.

CHORUS_KILLS: how many of the chain's kills there are; a tenth as many are made here, and two at least.
"""

import contextlib
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline.processes import bearing, wait_until
from tests.pipeline.test_ui import Interfaces
from tests.promises.conftest import lay_out
from tests.promises.test_kill import KILLS
from tests.promises.test_surroundings import contents, made, start
from tests.promises.test_together import ENDED, RUNS, at_terminal, launch

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")]
WHOM = ("dagster._daemon", "code-server", "spawn_main", "mlflow", "all")  # by a word of the command line
LONGEST = 20.0  # seconds after the launch that a kill waits


def test_killed_at_random_moments_the_interface_opens_again_on_the_same_state(tmp_path, monkeypatch):
    seed = random.SystemRandom().randrange(2**32) if os.environ.get("CHORUS_EXAMPLES") == "random" else 0
    draw, told = random.Random(seed), []
    alone, root = lay_out(tmp_path / "alone", checked=True), lay_out(tmp_path / "struck", checked=True)
    made(start(alone))
    monkeypatch.setenv("CHORUS_PARAMS", str(root / "small.yaml"))
    assert at_terminal(root, "scenes/capture").wait(600) == 0  # the scene is known from now on
    whom = list(WHOM)
    for number in range(max(2, KILLS // 10)):
        interfaces = Interfaces(root)
        _all_end(interfaces)  # none is stuck; what waited in the queue is done
        for name in ("capture", "gaussians"):
            shutil.rmtree(root / "data" / name, ignore_errors=True)
        launch(interfaces)
        told.append(_strike(root, draw, whom[number % len(whom)]))
        interfaces.process.send_signal(signal.SIGTERM)
        interfaces.process.wait(90)
        wait_until(lambda: not bearing(f"CHORUS_ROOT={root}\0"), seconds=90)
    interfaces = Interfaces(root)
    try:
        run = launch(interfaces)
        _all_end(interfaces)
        assert _status(interfaces)[run] == "SUCCESS", f"seed {seed}, after {told}"
    finally:
        interfaces.process.send_signal(signal.SIGTERM)
        interfaces.process.wait(90)
    print(f"kills: {told}")
    assert contents(root) == contents(alone), f"seed {seed}, after {told}"
    assert not list((root / "data").glob("*/.*-*")) and not list((root / ".state").rglob(".*[0-9]-[0-9a-f]*"))


def _status(interfaces: Interfaces) -> dict[str, str]:
    return {run["runId"]: run["status"] for run in interfaces.ask(RUNS)["runsOrError"]["results"]}


def _all_end(interfaces: Interfaces) -> None:
    wait_until(lambda: set(_status(interfaces).values()) <= ENDED, seconds=600)


def _strike(root: Path, draw: random.Random, whom: str) -> str:
    """Kill, some seconds from now, one process whose command line has the word, any one where none has it, or all; say
    whom."""
    time.sleep(draw.uniform(0.2, LONGEST))
    running = bearing(f"CHORUS_ROOT={root}\0")
    named = [number for number in running if whom in _words(number)]
    victims = running if whom == "all" else [draw.choice(named or running)]
    said = ", ".join(_words(number)[-60:] for number in victims[:3])
    for number in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return f"{whom}: {said}"


def _words(number: int) -> str:
    try:
        return Path(f"/proc/{number}/cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""
