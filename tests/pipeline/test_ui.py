"""Both interfaces come up over one state and end together."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

from orchestration.run import ui


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


@pytest.mark.slow
def test_up_and_down(workspace):
    ports = [free_port(), free_port()]
    command = [
        sys.executable,
        "-m",
        "orchestration.run.ui",
        "--dagster-port",
        str(ports[0]),
        "--mlflow-port",
        str(ports[1]),
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([os.getcwd(), os.environ.get("PYTHONPATH", "")])}
    process = subprocess.Popen(
        command, cwd=workspace, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        said = [process.stdout.readline() for _ in range(3)]
        assert said[0].startswith("Dagster") and said[1].startswith("MLflow"), (
            said,
            process.stderr.read() if process.poll() else "",
        )
        query = json.dumps({"query": "{assetNodes{assetKey{path}}}"}).encode()
        request = urllib.request.Request(
            f"http://{ui.HOST}:{ports[0]}/graphql", query, {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert len(json.load(answer)["data"]["assetNodes"]) == 9
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    for port in ports:
        with socket.socket() as probe:
            assert probe.connect_ex((ui.HOST, port)) != 0
