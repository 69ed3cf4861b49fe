"""A workspace that was moved or copied: MLflow's own addresses follow it, others' stay."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from chorus.store import Store
from orchestration.tracking import trainings
from orchestration.tracking.rerooted import HELD, reroot

ROOT = Path(__file__).parents[2]
BEGIN = """
import mlflow, sys
from pathlib import Path
from chorus.store import Store
from orchestration.tracking import trainings
store = Store(Path(sys.argv[1]))
api = trainings.client(store)
run = api.create_run(api.get_experiment_by_name(trainings.EXPERIMENT).experiment_id).info.run_id
api.log_text(run, "kept", "note.txt")
api.create_registered_model(trainings.MODEL)
api.create_model_version(trainings.MODEL, source=api.get_run(run).info.artifact_uri + "/note.txt", run_id=run)
api.create_experiment("another", artifact_location="file:///elsewhere/artifacts")
print(run)
"""
READ = """
import mlflow, sys
from pathlib import Path
from chorus.store import Store
from orchestration.tracking import trainings
store, run = Store(Path(sys.argv[1])), sys.argv[2]
api = trainings.client(store)
print(mlflow.artifacts.load_text(api.get_run(run).info.artifact_uri + "/note.txt"))
api.log_text(run, "new", "later.txt")
print(sorted(file.path for file in api.list_artifacts(run)))
print(api.get_model_version(trainings.MODEL, "1").source)
"""


def said(script: str, *arguments: object) -> list[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": "", "MLFLOW_DISABLE_TELEMETRY": "true"}
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, cwd="/", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.parametrize("how", [os.rename, shutil.copytree])
def test_runs_and_versions_are_found_where_the_workspace_is_now(tmp_path, how):
    before, after = tmp_path / "before 50%", tmp_path / "nach % 20? #ü"
    before.mkdir()
    run = said(BEGIN, before)[-1]
    how(before, after)
    kept, files, source = said(READ, after, run)[-3:]
    assert kept == "kept" and files == "['later.txt', 'note.txt']"
    place = (Store(after).history / "mlflow" / "artifacts").as_uri()
    assert source.startswith(place)
    assert (after / ".state/mlflow/artifacts" / run / "artifacts/later.txt").read_text() == "new"
    if before.exists():  # the copy leaves the original as it was
        assert not (before / ".state/mlflow/artifacts" / run / "artifacts/later.txt").exists()
        assert said(READ, before, run)[-1].startswith((Store(before).history / "mlflow" / "artifacts").as_uri())


def test_only_what_lies_below_the_old_place_changes(tmp_path):
    folder = tmp_path / "mlflow"
    folder.mkdir()
    connection = sqlite3.connect(folder / "mlflow.db")
    for table in {table for table, _ in HELD}:
        columns = ", ".join(f"{column} TEXT" for name, column in HELD if name == table)
        connection.execute(f"CREATE TABLE {table} (name TEXT, {columns})")
    connection.execute("INSERT INTO experiments VALUES ('chorus', 'file:///old/a_%rt')")
    kept = ["file:///old/a_%rts/x", "s3://bucket/old/a_%rt/x", "file:///old/abcrt/x", "models:/m-1", None]
    for address in ["file:///old/a_%rt/x", *kept]:
        connection.execute("INSERT INTO runs VALUES ('', ?)", (address,))
    connection.commit()
    assert reroot(folder, "chorus") and not reroot(folder, "chorus")
    now = (folder / "artifacts").as_uri()
    assert [row[0] for row in connection.execute("SELECT artifact_uri FROM runs")] == [f"{now}/x", *kept]
    assert connection.execute("SELECT artifact_location FROM experiments").fetchone()[0] == now


def test_where_there_is_nothing_to_put_right(tmp_path):
    assert not reroot(tmp_path, "chorus")
    sqlite3.connect(tmp_path / "mlflow.db").close()
    assert not reroot(tmp_path, "chorus")
    connection = sqlite3.connect(tmp_path / "mlflow.db")
    connection.execute("CREATE TABLE experiments (name TEXT, artifact_location TEXT)")
    connection.execute("INSERT INTO experiments VALUES ('chorus', 's3://bucket/chorus')")
    connection.commit()
    assert not reroot(tmp_path, "chorus")


def test_a_server_elsewhere_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(trainings, "reroot", lambda *_: pytest.fail("not ours"))
    trainings.at_home("http://127.0.0.1:1", tmp_path)
