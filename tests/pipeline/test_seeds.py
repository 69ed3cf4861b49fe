"""The encoder's training with other seeds: runs nested in its own, trained and scored on the encoder's rooms."""

import json
import statistics

import pytest

from chorus.errors import InputError, StoreError
from chorus.recipes import models, seeds
from chorus.stages import ENCODER
from chorus.workspace import Workspace
from orchestration.tracking import seeds as tracked
from orchestration.tracking import trainings

ROOMS = ["room-a", "room-b"]


@pytest.fixture
def opened(workspace, monkeypatch) -> Workspace:
    """A workspace with an encoder that answers to today's parameters; training writes who was asked for, and scoring
    reads it."""
    opened = Workspace.open(workspace)
    monkeypatch.setattr(models, "_ready", lambda workspace: (ROOMS, {f"{room}/targets": room for room in ROOMS}))
    monkeypatch.setattr(models, "train_variants", train_variants)
    monkeypatch.setattr(
        seeds,
        "validation_metrics",
        lambda workspace, folder: {
            "zero_shot": {
                method: {"f_miou": f_miou(folder, variant), "f_macc": 50.0} for variant, method in seeds.METHODS.items()
            }
        },
    )
    models.encoder(opened).run()
    return opened


def train_variants(workspace, names, out):
    for variant in models.VARIANTS:
        folder = out / variant
        folder.mkdir()
        said = {"notes": {"scenes": names, "seed": workspace.params.seed}}
        (folder / "config.json").write_text(json.dumps(said))
        (folder / "curves.csv").write_text("step,lr,loss\n1,0.1,2.0\n2,0.1,1.0\n")


def f_miou(folder, variant) -> float:
    seed = json.loads((folder / variant / "config.json").read_text())["notes"]["seed"]
    return 20.0 + seed + (0.5 if variant == "points" else 0.0)


def runs(store) -> dict[tuple[str, str], object]:
    """(variant, seed) -> run."""
    api = trainings.client(store)
    found = api.search_runs([api.get_experiment_by_name(trainings.EXPERIMENT).experiment_id])
    return {(run.data.tags["chorus.model"], run.data.params["seed"]): run for run in found}


def test_every_seed_is_a_run_nested_in_the_encoders_own(opened):
    table = tracked.train(opened, [1, 2, 0, 2])
    found = runs(opened.store)
    assert set(found) == {(variant, seed) for variant in models.VARIANTS for seed in ("0", "1", "2")}
    for variant in models.VARIANTS:
        own = found[variant, "0"]
        assert "mlflow.parentRunId" not in own.data.tags and own.data.tags["chorus.seeds"] == "0, 1, 2"
        values = []
        for seed in ("0", "1", "2"):
            run = found[variant, seed]
            values.append(run.data.metrics["validation.f_miou"])
            assert run.info.status == "FINISHED" and run.data.metrics["loss"] == 1.0
            if seed != "0":
                assert run.data.tags["mlflow.parentRunId"] == own.info.run_id
                assert run.data.tags["chorus.seed"] == seed and run.info.run_name == f"{variant}, seed {seed}"
        first = 20.5 if variant == "points" else 20.0
        assert values == [first, first + 1, first + 2]
        assert table[variant] == {
            "count": 3.0,
            "f_miou.mean": first + 1,
            "f_miou.std": pytest.approx(statistics.stdev(values)),
            "f_macc.mean": 50.0,
            "f_macc.std": 0.0,
        }
        assert own.data.metrics["seeds.f_miou.mean"] == first + 1


def test_what_is_trained_already_is_not_trained_again(opened, monkeypatch):
    tracked.train(opened, [1])
    monkeypatch.setattr(models, "train_variants", None)
    before = {run.info.run_id for run in runs(opened.store).values()}
    assert tracked.train(opened, [1])["splats"]["count"] == 2.0
    assert {run.info.run_id for run in runs(opened.store).values()} == before


def test_the_encoder_keeps_its_own_seed(opened):
    assert seeds.trained(opened, 0) == opened.store.artifact(ENCODER)
    assert seeds.trained(opened, 3) != opened.store.artifact(ENCODER)


def test_seeds_of_nothing_or_of_an_older_encoder_are_refused(opened, monkeypatch):
    with pytest.raises(InputError, match="seed: expected 0 or above, got -1"):
        tracked.train(opened, [-1])
    monkeypatch.setattr(models, "_ready", lambda workspace: (ROOMS[:1], {"room-a/targets": "another"}))
    with pytest.raises(StoreError, match="expected the encoder of today's parameters and rooms, got an older one"):
        tracked.train(opened, [1])
    monkeypatch.undo()


def test_without_an_encoder_there_is_nothing_to_compare_with(workspace):
    with pytest.raises(StoreError, match="models/encoder: expected an artifact, got nothing there"):
        tracked.train(Workspace.open(workspace), [1])


def test_the_job_says_what_it_found(opened, workspace):
    from orchestration.run import history

    job = history.repository().get_job("seeds")
    config = {"ops": {"other_seeds": {"config": {"seeds": [1]}}}}
    assert job.execute_in_process(run_config=config, instance=history.instance()).success
    assert ("points", "1") in runs(opened.store)
