"""MLflow: runs found again by content, promotion that refuses a worse model, and a folder that shadows no package."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from chorus.errors import StoreError
from chorus.params import load_params
from chorus.stages import REGISTRY
from chorus.store import Store
from orchestration.keys import key
from orchestration.run import history
from orchestration.tracking import trainings

ROOT = Path(__file__).parents[2]


def load(name: str):
    """A module of the mlflow/ folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "mlflow" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def store(workspace):
    return Store(workspace)


@pytest.fixture
def trained(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "curves.csv").write_text("step,loss,lang\n10,2.0,1.5\n20,1.0,0.5\n")
    (folder / "config.json").write_text("{}")
    return folder


def test_one_run_a_training_with_params_curves_and_tags(store, trained):
    params = load_params(store.root / "params.yaml")
    run = trainings.log_training(store, params, name="splats", folder=trained, content="abc")
    assert trainings.log_training(store, params, name="splats", folder=trained, content="abc") == run
    found = trainings.client(store).get_run(run)
    assert (
        found.data.metrics["lang"] == 0.5
        and found.data.tags["chorus.hash"] == "abc"
        and found.info.status == "FINISHED"
    )
    assert found.data.params["distill.steps"] == str(params.distill.steps)
    assert [m.value for m in trainings.client(store).get_metric_history(run, "loss")] == [2.0, 1.0]
    assert trainings.log_training(store, params, name="splats", folder=trained, content="new") != run


def version(store: Store, f_miou: float | None, f_macc: float = 50.0, scenes: str = "same") -> None:
    """A registered version with these figures and no model behind it, alias @challenger."""
    api = trainings.client(store)
    if not api.search_registered_models():
        api.create_registered_model(trainings.MODEL)
    tags = {"validation.student.f_macc": str(f_macc), "evaluation.scenes": scenes}
    tags |= {} if f_miou is None else {"validation.student.f_miou": str(f_miou)}
    made = api.create_model_version(trainings.MODEL, source="none", tags=tags)
    api.set_registered_model_alias(trainings.MODEL, "challenger", made.version)


def aliases(store: Store) -> dict:
    return {
        alias: int(number)
        for alias, number in trainings.client(store).get_registered_model(trainings.MODEL).aliases.items()
    }


def test_promotion_moves_champion_and_previous_and_refuses_worse(store, capsys):
    promote = load("promote")
    with pytest.raises(StoreError, match="Materialize registry/chorus_encoder"):
        promote.promote(store)
    version(store, 20.0)
    assert "the first champion" in promote.promote(store)
    assert "already" in promote.promote(store)
    version(store, 21.0)
    assert promote.main([]) == 0
    assert aliases(store) == {"challenger": 2, "champion": 2, "previous": 1}
    version(store, 20.5)
    assert promote.main([]) == 2
    assert (
        "expected validation.student.f_miou of at least 21.00, got 20.50. The champion stays."
        in capsys.readouterr().err
    )
    assert promote.main(["--tolerance", "1"]) == 0
    version(store, 30.0, scenes="other")
    with pytest.raises(StoreError, match="other scenes"):
        promote.promote(store)
    assert aliases(store) == {"challenger": 4, "champion": 3, "previous": 2}


def test_rollback_lets_champion_and_previous_change_places_and_dagster_is_told(store, capsys):
    promote = load("promote")
    version(store, 20.0)
    promote.promote(store)
    assert promote.main(["--rollback"]) == 2
    assert "@previous: expected a version to go back to, got none" in capsys.readouterr().err
    version(store, 21.0)
    promote.promote(store)
    assert promote.main(["--rollback"]) == 0
    assert "version 1 is the champion: rolled back from version 2" in capsys.readouterr().out
    assert aliases(store) == {"challenger": 2, "champion": 1, "previous": 2}
    told = history.instance().fetch_observations(key(REGISTRY), limit=10).records
    said = [record.asset_observation.metadata for record in told]
    assert "rolled back" in said[0]["said"].value and said[0]["aliases"].value["champion"] == 1
    assert said[0]["mlflow_version"].value.endswith("/versions/1") and len(said) == 3
    assert promote.main(["--rollback"]) == 0 and aliases(store)["champion"] == 2
    version(store, 20.5)
    assert promote.main([]) == 2
    refused = trainings.client(store).get_model_version(trainings.MODEL, "3").tags["promotion"]
    assert refused.startswith("refused: ") and "at least 21.00, got 20.50" in refused


def test_a_run_names_the_rooms_it_read_by_their_hashes(store, trained):
    params = load_params(store.root / "params.yaml")
    inputs = {"b/targets": "h2", "a/targets": "h1", "a/gaussians": "g1", "encoder": "e1"}
    runs = [
        trainings.log_training(store, params, name="splats", folder=trained, content=content, inputs=read)
        for content, read in (("one", inputs), ("two", dict(reversed(inputs.items()))), ("three", {"b/targets": "h2"}))
    ]
    found = [trainings.client(store).get_run(run).inputs.dataset_inputs for run in runs]
    first, same, fewer = ({one.dataset.name: one for one in datasets} for datasets in found)
    assert set(first) == {"targets", "gaussians", "encoder"} and set(fewer) == {"targets"}
    assert {name: one.dataset.digest for name, one in first.items()} == {
        n: one.dataset.digest for n, one in same.items()
    }
    assert first["targets"].dataset.digest != fewer["targets"].dataset.digest
    assert json.loads(first["targets"].dataset.profile) == {"rooms": 2, "hashes": {"a": "h1", "b": "h2"}}
    assert [(tag.key, tag.value) for tag in first["targets"].tags] == [("mlflow.data.context", "training")]
    assert mlflow.data.get_source(first["encoder"].dataset).uri == "data/models/encoder"


def test_a_tie_is_broken_by_accuracy_and_a_version_without_figures_is_refused(store):
    promote = load("promote")
    version(store, 20.0)
    promote.promote(store)
    version(store, 20.0, f_macc=49.0)
    with pytest.raises(StoreError, match="f_macc of at least 50.00, got 49.00"):
        promote.promote(store)
    version(store, 20.0, f_macc=51.0)
    assert "version 3 is the champion" in promote.promote(store)
    version(store, None)
    with pytest.raises(StoreError, match="expected validation.student.f_miou of both versions, got none. List"):
        promote.promote(store)


@pytest.mark.parametrize("command", [["-c", "import mlflow; print(mlflow.__file__)"], ["-m", "mlflow", "--version"]])
def test_the_folder_mlflow_does_not_shadow_the_package(command):
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and ("site-packages" in done.stdout or "version" in done.stdout), done.stderr
