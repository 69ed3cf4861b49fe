"""Several at work on the same data at once: two clones on one store, and the interface beside a terminal. Every
artifact is made once, whole, with the bytes it has when one works alone."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from chorus.store import MANIFEST, hash_files, manifest_of
from tests.pipeline.processes import wait_until
from tests.pipeline.test_ui import Interfaces
from tests.promises.conftest import ROOT, environment, lay_out
from tests.promises.test_surroundings import contents, made, start

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")]
LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
RUNS = "{ runsOrError { ... on Runs { results { runId status } } } }"
ENDED = {"SUCCESS", "FAILURE", "CANCELED"}


def made_here(root: Path) -> set[str]:
    """What a clone noted to have made itself: stage and scene."""
    notes = root / ".state/seconds"
    return {str(path.relative_to(notes)) for path in notes.rglob("*.txt")}


def test_two_clones_on_one_store(tmp_path):
    """Each with a history of its own, and the data in a folder that both name theirs."""
    alone, shared = lay_out(tmp_path / "alone", checked=True), lay_out(tmp_path / "shared", checked=True) / "data"
    clones = [tmp_path / name for name in ("one", "two")]
    for clone in clones:
        clone.mkdir()
        (clone / "data").symlink_to(shared, target_is_directory=True)
        for name in ("params.yaml", "small.yaml"):
            shutil.copyfile(shared.parent / name, clone / name)
    assert at_terminal(alone, "--all").wait(600) == 0
    running = [at_terminal(clone, "--all") for clone in clones]
    assert [process.wait(1200) for process in running] == [0, 0]
    assert hashes(shared) == hashes(alone / "data") and len(hashes(shared)) == 5
    twice = made_here(clones[0]) & made_here(clones[1])
    assert not twice, f"made by both: {twice}"
    assert made_here(clones[0]) | made_here(clones[1]) == made_here(alone)
    for folder in (path.parent for path in shared.rglob(MANIFEST)):
        assert hash_files(folder) == manifest_of(folder)["files"]
    assert not list(shared.glob("*/.*-*"))


def hashes(data: Path) -> dict[str, str]:
    """Content hash of every artifact."""
    return {str(path.parent.relative_to(data)): manifest_of(path.parent)["hash"] for path in data.rglob(MANIFEST)}


def test_the_interface_and_a_terminal(tmp_path, monkeypatch):
    """Both are told to make the same scene again and again, at once."""
    alone, root = lay_out(tmp_path / "alone", checked=True), lay_out(tmp_path / "both", checked=True)
    made(start(alone))
    monkeypatch.setenv("CHORUS_PARAMS", str(root / "small.yaml"))
    interfaces, runs = Interfaces(root), []
    try:
        assert at_terminal(root, "scenes/capture").wait(600) == 0  # the scene is known from now on
        for _ in range(2):
            forced = at_terminal(root, "scenes/capture", "--force")
            runs += [launch(interfaces), launch(interfaces)]
            assert forced.wait(600) == 0
            assert at_terminal(root, "scenes/gaussians").wait(600) == 0

        def status() -> dict[str, str]:
            return {run["runId"]: run["status"] for run in interfaces.ask(RUNS)["runsOrError"]["results"]}

        wait_until(lambda: all(status()[run] in ENDED for run in runs), seconds=600)
        assert [status()[run] for run in runs] == ["SUCCESS"] * len(runs)
    finally:
        interfaces.process.send_signal(signal.SIGTERM)
        interfaces.process.wait(90)
    assert contents(root) == contents(alone)
    for name in ("capture", "gaussians"):
        artifact = root / "data" / name / "room"
        assert hash_files(artifact) == manifest_of(artifact)["files"]
    assert not list((root / "data").glob("*/.*-*"))


def at_terminal(root: Path, *words: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "orchestration.materialize", words[0], "room", *words[1:], "--jobs", "1"]
    env = environment(root, PYTHONPATH=str(ROOT))
    return subprocess.Popen(command, cwd=root, env=env)  # what it says is shown where the test fails


def launch(interfaces: Interfaces) -> str:
    """A run of the scene's capture and Gaussians, as the interface's button starts it."""
    keys = [{"path": ["scenes", part]} for part in ("capture", "gaussians")]
    where = {"repositoryLocationName": "orchestration.definitions", "repositoryName": "__repository__"}
    selector = {**where, "pipelineName": "__ASSET_JOB", "assetSelection": keys, "assetCheckSelection": []}
    tags = [{"key": "dagster/partition", "value": "room"}]
    params = {"selector": selector, "executionMetadata": {"tags": tags}, "mode": "default", "runConfigData": {}}
    answer = interfaces.ask(LAUNCH, params=params)["launchRun"]
    assert answer["__typename"] == "LaunchRunSuccess", answer
    return answer["run"]["runId"]
