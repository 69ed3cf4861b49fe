"""Both interfaces come up over one state and end together."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from orchestration.run import ui
from tests.pipeline.processes import bearing, wait_until

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((ui.HOST, 0))
        return probe.getsockname()[1]


def test_a_taken_port_is_one_line(workspace, capsys):
    with socket.socket() as taken:
        taken.bind((ui.HOST, 0))
        taken.listen()
        assert ui.main(["--dagster-port", str(taken.getsockname()[1])]) == 2
    assert "expected a free port for Dagster" in capsys.readouterr().err


class Interfaces:
    """Both servers of a workspace, started as a background job of a script is: with SIGINT ignored."""

    def __init__(self, workspace: Path):
        self.workspace, self.ports = workspace, [free_port(), free_port()]
        ports = ["--dagster-port", str(self.ports[0]), "--mlflow-port", str(self.ports[1])]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHORUS_ROOT": str(workspace)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.run.ui", *ports],
            cwd=workspace,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )
        said = [self.process.stdout.readline() for _ in range(3)]
        up = said[0].startswith("Dagster") and said[1].startswith("MLflow")
        assert up, (said, self.process.stderr.read() if self.process.poll() else "")

    def ask(self, query: str, **variables: object) -> dict:
        """The data of a GraphQL answer."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        address = f"http://{ui.HOST}:{self.ports[0]}/graphql"
        request = urllib.request.Request(address, body, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def all_gone(self) -> bool:
        return not bearing(f"CHORUS_ROOT={self.workspace}\0")


RUNS = """{ runsOrError { ... on Runs { results {
    runId status assetSelection { path } stepKeysToExecute repositoryOrigin { repositoryLocationName repositoryName }
} } } }"""
AGAIN = """mutation($parent: String!) { launchRunReexecution(
    reexecutionParams: {parentRunId: $parent, strategy: ALL_STEPS}
) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
} }"""


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_up_and_down(workspace, how):
    interfaces = Interfaces(workspace)
    assert len(interfaces.ask("{assetNodes{assetKey{path}}}")["assetNodes"]) == 9
    assert len(bearing(f"CHORUS_ROOT={workspace}\0")) > 4
    interfaces.process.send_signal(how)
    wait_until(interfaces.all_gone, seconds=12)
    assert interfaces.process.wait(1) == (0 if how == signal.SIGTERM else -signal.SIGKILL)
    for port in interfaces.ports:
        with socket.socket() as probe:
            assert probe.connect_ex((ui.HOST, port)) != 0


@pytest.mark.slow
def test_a_run_of_the_command_line_is_known_to_the_ui_and_can_be_executed_again_there(workspace):
    """A bad folder fails from the command line; its run names its asset, and again from the UI it fails as before, its
    output kept."""
    bad = workspace / "data" / "incoming" / "bad"
    bad.mkdir(parents=True)
    (bad / "transforms.json").write_text("{}")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHORUS_ROOT": str(workspace)}
    command = [sys.executable, "-m", "orchestration.materialize", "scenes/capture", "bad", "--jobs", "1"]
    failed = subprocess.run(command, env=environment, cwd=workspace, capture_output=True, text=True)
    assert failed.returncode == 2 and "transforms.json" in failed.stderr
    interfaces = Interfaces(workspace)
    try:
        run = interfaces.ask(RUNS)["runsOrError"]["results"][-1]  # the first: the sensor makes others of the folder
        assert run["assetSelection"] == [{"path": ["scenes", "capture"]}]
        assert run["repositoryOrigin"]["repositoryLocationName"] == "orchestration.definitions"
        launched = interfaces.ask(AGAIN, parent=run["runId"])["launchRunReexecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        again = launched["run"]["runId"]

        def ended() -> bool:
            runs = interfaces.ask(RUNS)["runsOrError"]["results"]
            return {run["runId"]: run["status"] for run in runs}[again] == "FAILURE"

        wait_until(ended, seconds=180)
        kept = list((workspace / ".state" / "dagster" / "storage" / again / "compute_logs").glob("*.err"))
        assert any("transforms.json" in path.read_text() for path in kept)
    finally:
        interfaces.process.send_signal(signal.SIGTERM)
        interfaces.process.wait(20)
