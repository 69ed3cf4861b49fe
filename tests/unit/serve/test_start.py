"""What is refused before a model is read, and a server that is reached, asked and ended."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("uvicorn")

from chorus import cli
from chorus.errors import InputError
from chorus.serve import start

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    monkeypatch.setenv("CHORUS_ROOT", str(tmp_path))
    monkeypatch.delenv("CHORUS_TOKEN", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--host", "0.0.0.0"], "CHORUS_TOKEN or give --token-file"),
        (["--scenes", "nowhere"], "a folder of scenes"),
        (["--token-file", "nowhere"], "a file that holds a token"),
        (["--queue", "-1"], "--queue: expected at least 0"),
        (["--memory", "0"], "--memory"),
        (["--upload", "0"], "--upload"),
        (["--mcp", "--port", "8080"], "--port"),
        (["--mcp", "--host", "0.0.0.0", "--token-file", "x"], "--host, --token-file"),
        (["--mcp", "--scenes", "nowhere"], "a folder of scenes"),
        (["--model", "nowhere"], "a trained encoder's folder"),
    ],
)
def test_refused_in_one_line(capsys, words, says):
    with pytest.raises(SystemExit) as stop:
        cli.main(["serve", *words])
    shown = capsys.readouterr()
    assert stop.value.code == 2 and says in shown.err and len(shown.err.splitlines()) == 1 and not shown.out


def test_a_port_that_is_taken_is_refused():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        options = start.Options(port=taken.getsockname()[1])
        with pytest.raises(InputError, match="a free port"):
            start.serve_http(options, lambda: pytest.fail("the model was read"))


def test_a_model_without_words_is_refused():
    points = SimpleNamespace(available=("dino", "upcast", "tokens"), text=None)
    with pytest.raises(InputError, match="a model with words, got one with dino, upcast, tokens"):
        start.serve_http(start.Options(), lambda: points)


def ask(address: str, path: str, **headers: str):
    with urllib.request.urlopen(urllib.request.Request(address + path, headers=headers), timeout=30) as answer:
        return json.loads(answer.read())


def test_a_server_of_its_own_is_asked_and_ended(tmp_path):
    """The command as it is typed; a name that leads to loopback is no way in; SIGTERM ends it."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CHORUS_TOKEN": "a-token-of-some-length"}
    command = [sys.executable, "-m", "chorus.cli", "serve"]
    server = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        address = server.stdout.readline().split()[0].removesuffix("/docs")
        assert address.startswith("http://127.0.0.1:")
        assert ask(address, "/health")["status"] == "ok"
        assert ask(address, "/files", Authorization="Bearer a-token-of-some-length") == {"files": []}
        for path, headers, status in (("/files", {}, 401), ("/health", {"Host": "evil.example"}, 400)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                ask(address, path, **headers)
            assert refused.value.code == status
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) in (0, -signal.SIGTERM)
    assert "a-token" not in server.stdout.read()
