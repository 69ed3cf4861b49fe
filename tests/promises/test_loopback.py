"""Every command that listens listens on loopback, and nowhere else, unless it was told to; beyond, with a token."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.pipeline.processes import bearing
from tests.pipeline.test_ui import Interfaces
from tests.promises.conftest import ROOT, environment, lay_out

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")]
LISTENS = "0A"
LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
COMMANDS = {"the viewer": ["view", "sample"], "the served model": ["serve"]}


def listening(mark: str) -> set[tuple[str, int]]:
    """(address as the kernel has it, port) of every TCP socket that processes with this mark listen on."""
    inodes = {
        os.readlink(link)[8:-1]
        for process in bearing(mark)
        for link in _links(Path(f"/proc/{process}/fd"))
        if _target(link).startswith("socket:[")
    }
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENS and words[9] in inodes:
                address, _, port = words[1].partition(":")
                found.add((address, int(port, 16)))
    return found


def _links(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


@pytest.mark.parametrize("name", COMMANDS)
def test_a_server_of_the_library(tmp_path, name):
    root = lay_out(tmp_path)
    command = [sys.executable, "-m", "chorus.cli", *COMMANDS[name]]
    server = subprocess.Popen(command, cwd=root, env=environment(root), stdout=subprocess.PIPE, text=True)
    try:
        assert "http://127.0.0.1:" in server.stdout.readline()
        found = listening(f"CHORUS_ROOT={root}\0")
        assert found and {address for address, _ in found} <= LOOPBACK, found
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def test_both_interfaces(tmp_path, monkeypatch):
    root = lay_out(tmp_path)
    monkeypatch.setenv("CHORUS_PARAMS", str(root / "small.yaml"))
    interfaces = Interfaces(root)
    try:
        found = listening(f"CHORUS_ROOT={root}\0")
        assert set(interfaces.ports) <= {port for _, port in found}
        assert {address for address, _ in found} <= LOOPBACK, found
    finally:
        interfaces.process.send_signal(signal.SIGTERM)
        interfaces.process.wait(90)


@pytest.mark.parametrize("name", COMMANDS)
def test_beyond_loopback_a_token_is_asked_for(tmp_path, name):
    command = [sys.executable, "-m", "chorus.cli", *COMMANDS[name], "--host", "0.0.0.0"]
    root = lay_out(tmp_path)
    done = subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "expected a token for an address that others reach" in done.stderr


def test_the_ranks_of_a_training(tmp_path):
    """What the ranks meet at is on loopback too."""
    place = [str(tmp_path / name) for name in ("out", "state")]
    (tmp_path / "out").mkdir()
    arguments = (*place, "1", "2")
    script = f"from chorus.train.launch import *; launch([Job('x', 'tests.unit.train.ranked', {arguments!r}, 2)])"
    env = environment(lay_out(tmp_path), PYTHONPATH=str(ROOT))
    training = subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, env=env)
    found: set[tuple[str, int]] = set()
    while training.poll() is None:
        found |= listening(f"CHORUS_ROOT={tmp_path}\0")
        time.sleep(0.05)
    assert training.returncode == 0 and found and {address for address, _ in found} <= LOOPBACK, found
