"""A workspace with everything in it (artifacts, MLflow's runs and registered model, Dagster's history) that was moved
or copied, to a folder of a strange name: it is up to date, both interfaces show its state, its model loads and is
promoted, and the next run goes on in the new place alone."""

import json
import os
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.pipeline.test_ui import Interfaces

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")]
ASSETS = """{ assetNodes { assetKey { path } assetMaterializations(limit: 1) { runId } staleStatus
    partitionStats { numMaterialized numFailed } } }"""
TRY = """
from chorus.store import Store, root_folder
from orchestration.tracking import registration
print(registration.try_challenger(Store(root_folder())))
"""


def ran(root: Path, *command: str) -> str:
    own = {"CHORUS_ROOT": str(root), "CHORUS_PARAMS": str(root / "tiny.yaml"), "DAGSTER_HOME": ""}
    env = {**os.environ, **own, "MLFLOW_TRACKING_URI": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, *command], cwd=root, env=env, capture_output=True, text=True, check=False, timeout=1800
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def versions(interfaces: Interfaces) -> list[dict]:
    address = f"http://127.0.0.1:{interfaces.ports[1]}/api/2.0/mlflow/model-versions/search"
    with urllib.request.urlopen(address, timeout=60) as answer:
        return json.load(answer)["model_versions"]


def artifact(interfaces: Interfaces, run: str, name: str) -> bytes:
    """A file of a run, as the interface fetches it."""
    address = f"http://127.0.0.1:{interfaces.ports[1]}/get-artifact?path={name}&run_uuid={run}"
    with urllib.request.urlopen(address, timeout=60) as answer:
        return answer.read()


@pytest.mark.parametrize("how", ["copied", "moved"])
def test_everything_goes_on_in_the_new_place(finished, tmp_path, monkeypatch, how):
    before, root = finished.root, tmp_path / "nach % 20? #ü"
    if how == "moved":
        before = Path(shutil.copytree(before, tmp_path / "before"))
    (shutil.move if how == "moved" else shutil.copytree)(before, root)
    monkeypatch.setenv("CHORUS_PARAMS", str(root / "tiny.yaml"))
    assert "nothing to do" in ran(root, "-m", "orchestration.materialize", "--all")
    interfaces = Interfaces(root)
    try:
        nodes = interfaces.ask(ASSETS)["assetNodes"]
        assert len(nodes) == 9 and all(node["assetMaterializations"] for node in nodes if not node["partitionStats"])
        scenes = [node["partitionStats"] for node in nodes if node["partitionStats"]]
        assert len(scenes) == 4 and all(stats == {"numMaterialized": 6, "numFailed": 0} for stats in scenes)
        (version,) = versions(interfaces)
        assert b"{" in artifact(interfaces, version["run_id"], "metrics.json")
    finally:
        interfaces.process.terminate()
        interfaces.process.wait(90)
    assert "True" in ran(root, "-c", TRY)
    assert "version 1 is the champion" in ran(root, str(ROOT / "mlflow/promote.py"))
    ran(root, "-m", "orchestration.materialize", "registry/chorus_encoder", "--force")
    assert "version 2 is the champion" in ran(root, str(ROOT / "mlflow/promote.py"))
    assert len(list((root / ".state/mlflow/artifacts/models").iterdir())) == 2
    if how == "moved":
        assert not before.exists()
    else:
        assert len(list((before / ".state/mlflow/artifacts/models").iterdir())) == 1
