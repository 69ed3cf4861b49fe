"""MLflow while a training runs."""

import os
import time

import pytest

from chorus.errors import InputError, Preempted
from chorus.params import load_params
from chorus.store import Store
from chorus.train.live import Figures
from orchestration.tracking import live, trainings
from orchestration.tracking.live import followed
from tests.pipeline.processes import failing_at_once


def row(step: int) -> dict:
    return {"step": step, "lr": 0.1, "loss": 10.0 / step, "lang": 1.0}


def until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_training_is_followed_stopped_gone_on_with_and_finished_in_one_run(workspace, tmp_path, monkeypatch):
    monkeypatch.setattr(live, "EVERY", 0.05)
    store, folder = Store(workspace), tmp_path / "state"
    params = load_params(store.root / "params.yaml")
    api = trainings.client(store)

    def steps() -> list[int]:
        return [metric.step for metric in api.get_metric_history(run, "loss")]

    with pytest.raises(InputError, match="stopped"):
        with followed(store, params, {"splats": folder}) as runs:
            figures = Figures(folder, run="abc", first=0, steps=40, rows=[])
            until(lambda: runs)
            run = runs["splats"]
            assert api.get_run(run).info.status == "RUNNING"
            assert api.get_run(run).data.params["distill.steps"] == str(params.distill.steps)
            figures.write(row(10))
            until(lambda: steps() == [10])  # while it runs
            figures.write(row(20))
            figures.close(over=False)
            stop = Preempted("here", expected="", got="")
            raise InputError("asset", expected="", got="stopped") from stop
    assert steps() == [10, 20] and api.get_run(run).info.status == "KILLED"

    with followed(store, params, {"splats": folder}) as runs:
        figures = Figures(folder, run="abc", first=10, steps=40, rows=[row(10)])
        for step in (20, 30):
            figures.write(row(step))
        until(lambda: len(steps()) == 3)
        figures.close(over=True)
    assert runs == {"splats": run} and steps() == [10, 20, 30]

    (tmp_path / "curves.csv").write_text("step,lr,loss,lang\n10,0.1,1,1\n20,0.1,0.5,1\n30,0.1,0.3,1\n40,0.1,0.25,1\n")
    logged = trainings.log_training(store, params, name="splats", folder=tmp_path, content="made", run=run)
    assert logged == run == trainings.find_run(store, name="splats", content="made")
    found = api.get_run(run)
    assert steps() == [10, 20, 30, 40] and found.info.status == "FINISHED" and found.data.metrics["loss"] == 0.25
    assert "seconds" not in found.data.metrics

    other, last = trainings.begin(store, params, name="splats", training="abc")  # made again by force: a run of its own
    assert other != run and last == 0


def test_trainings_that_open_a_fresh_workspace_at_once_do_not_fall_over_each_other(tmp_path):
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401 - once, before the processes part

    folder = tmp_path / "mlflow"
    where = (folder / "artifacts").as_uri()

    def open_it() -> None:
        opened = trainings._client.__wrapped__(f"sqlite:///{folder / 'mlflow.db'}", folder, where)
        assert opened.get_experiment_by_name(trainings.EXPERIMENT).artifact_location == where

    assert failing_at_once(open_it) == 0


def test_where_mlflow_fails_the_training_is_left_alone(workspace, tmp_path, monkeypatch, caplog):
    def down(*args, **options):
        raise ConnectionError("no server")

    monkeypatch.setattr(live, "EVERY", 0.01)
    monkeypatch.setattr(trainings, "begin", down)
    store = Store(workspace)
    with followed(store, load_params(store.root / "params.yaml"), {"splats": tmp_path}) as runs:
        Figures(tmp_path, run="abc", first=0, steps=40, rows=[]).close(over=False)
        until(lambda: "MLflow does not follow the training: no server" in caplog.text)
    assert runs == {}


def test_two_workspaces_of_one_process_keep_their_own_history(workspace, tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    stores = [Store(workspace), Store(tmp_path / "other")]
    for store in stores:
        trainings.client(store)
    places = {trainings.uri(store) for store in stores}
    assert len(places) == 2 and all((store.history / "mlflow/mlflow.db").is_file() for store in stores)
    assert "MLFLOW_TRACKING_URI" not in os.environ
