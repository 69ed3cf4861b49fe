"""A tiny chain whose history lies in PostgreSQL and whose models lie in a bucket: nothing of it in the project
folder."""

import os
import subprocess
import sys

import boto3
import pytest

from chorus.stages import ENCODER, PER_SCENE, STAGES
from chorus.store import Store
from orchestration.keys import key
from orchestration.run import history, state
from orchestration.tracking import registration, trainings
from tests.pipeline.servers import bucket, postgres
from tests.pipeline.test_chain import ROOT, environment, materialize
from tests.pipeline.tiny import SCENE_IDS, lay_out

pytest.importorskip("dagster_postgres")


@pytest.mark.slow
def test_the_chain_on_a_database_and_a_bucket(tmp_path, monkeypatch):
    lay_out(tmp_path)
    with postgres("dagster", "mlflow") as database, bucket("team"):
        shared = {
            **environment(tmp_path),
            state.DEPLOY: "cluster",
            state.DATABASE: f"{database}/dagster",
            "MLFLOW_TRACKING_URI": f"{database}/mlflow",
            "MLFLOW_DEFAULT_ARTIFACT_ROOT": "s3://team/mlflow",
        }
        for name, value in shared.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("tests.pipeline.test_chain.environment", lambda _: shared)
        done = materialize(tmp_path, "--all", "--jobs", "2")
        assert done.returncode == 0, done.stderr
        assert "nothing to do" in materialize(tmp_path, "--all").stderr
        assert all(history.settled(stage) == SCENE_IDS for stage in PER_SCENE)
        assert all(history.settled(stage) == {None} for stage in STAGES if stage not in PER_SCENE)
        assert type(history.instance().event_log_storage).__module__.startswith("dagster_postgres")
        left = [path.suffix for path in (tmp_path / ".state").rglob("*") if path.suffix in (".db", ".sqlite")]
        assert not left and not (tmp_path / ".state" / "mlflow" / "artifacts").exists()
        kept = boto3.client("s3").list_objects_v2(Bucket="team", Prefix="mlflow/")["Contents"]
        names = {one["Key"].rpartition("/")[2] for one in kept}
        assert {"model.safetensors", "report.html", "curves.csv"} <= names
        store = Store(tmp_path)
        assert registration.aliases(store) == {"challenger": 1} and registration.try_challenger(store)[1]
        promoted = subprocess.run([sys.executable, ROOT / "mlflow" / "promote.py"], env={**os.environ, **shared})
        assert promoted.returncode == 0 and registration.aliases(store) == {"challenger": 1, "champion": 1}
        shown = history.instance().get_latest_materialization_event(key(ENCODER)).asset_materialization.metadata
        assert shown["mlflow_splats"].value.startswith(trainings.shown_at())
