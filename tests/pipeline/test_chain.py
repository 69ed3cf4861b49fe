"""The whole chain, for real, on a tiny home of box furniture: from drawn rooms to a version in the registry. Nothing is
downloaded."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chorus.io import read_scene
from chorus.stages import ADAPTED, PER_SCENE, REGISTRY, STAGES
from chorus.store import Store
from chorus.workspace import Workspace
from orchestration.keys import key
from orchestration.materialize import main
from orchestration.run import history
from orchestration.tracking import seeds, trainings
from tests.pipeline.tiny import ROOT, SCENE_IDS, lay_out


@pytest.fixture
def root(tmp_path):
    """A project folder in which the chain has run."""
    root = tmp_path
    lay_out(root)
    done = materialize(root, "--all", "--retrain", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr and "INFO" not in done.stderr
    return root


@pytest.fixture
def workspace(root, monkeypatch):
    for name, value in environment(root).items():
        monkeypatch.setenv(name, value)
    return Store(root)


def environment(root: Path) -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    own = {
        "CHORUS_ROOT": str(root),
        "CHORUS_PARAMS": str(root / "tiny.yaml"),
        "DAGSTER_HOME": "",
        "MLFLOW_TRACKING_URI": "",
        "PYTHONPATH": path,
    }
    return {**own, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}


def materialize(root: Path, *argv: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "orchestration.materialize", *argv]
    return subprocess.run(command, cwd=root, env={**os.environ, **environment(root)}, capture_output=True, text=True)


def test_the_whole_chain(workspace, capsys):
    """One test, since the chain takes a minute and the workers of a parallel test run share nothing."""
    every_artifact_is_there_whole(workspace)
    the_report_holds_every_fixed_key_and_the_seconds(workspace)
    dagster_knows_it_all(workspace)
    running_again_does_nothing(workspace, capsys)
    forced_again_gives_the_same_bytes(workspace)
    mlflow_has_the_runs_and_a_challenger_that_answers(workspace)
    dvc_agrees_after_a_commit_and_repeats_only_what_changed(workspace)


@pytest.mark.slow
def test_experiments_are_compared_on_the_validation_rooms(root, workspace):
    put_under_dvc(root)
    for rate in ("0.0005", "0.002"):
        said = dvc(root, "exp", "run", "-n", f"rate-{rate[2:]}", "-S", f"adapt.lr={rate}", "evaluation")
        assert "Running stage 'adapted_encoder'" in said and "Running stage 'encoder'" not in said
    shown = json.loads(dvc(root, "exp", "diff", "rate-0005", "rate-002", "--json"))
    assert shown["params"]["params.yaml"]["adapt.lr"] == {"diff": pytest.approx(0.0015), "new": 0.002, "old": 0.0005}
    moved = shown["metrics"]["data/reports/held_out/validation.json"]
    assert any(change["new"] != change["old"] for name, change in moved.items() if name.startswith("adaptation.after"))
    diff = dvc(root, "metrics", "diff", "HEAD", "--all")
    assert "adaptation.after.f_miou" in diff and "student.f_miou" in diff
    page = root / "plots" / "index.html"
    dvc(root, "plots", "diff", "HEAD", "-o", str(page.parent))
    assert page.stat().st_size > 1000 and "adaptation" in page.read_text()


@pytest.mark.slow
def test_the_encoder_is_trained_with_another_seed(workspace):
    table = seeds.train(Workspace.open(), [1])
    assert all(row["count"] == 2 and 0 <= row["f_miou.mean"] <= 100 for row in table.values())
    api = trainings.client(workspace)
    runs = api.search_runs([api.get_experiment_by_name(trainings.EXPERIMENT).experiment_id])
    nested = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    assert {run.info.run_name for run in nested} == {"splats, seed 1", "points, seed 1"}
    assert all(run.data.params["seed"] == "1" and run.info.status == "FINISHED" for run in nested)
    assert all(len(api.get_metric_history(run.info.run_id, "loss")) == 6 for run in nested)  # followed, like any other
    (other,) = (workspace.state / "seeds").glob("*/s1/splats/model.safetensors")
    own = workspace.model("encoder") / "splats" / other.name
    assert other.read_bytes() != own.read_bytes() and other.stat().st_size == own.stat().st_size


def every_artifact_is_there_whole(workspace):
    parts = {part: workspace.scenes_with(part) for part in ("capture", "gaussians", "teacher_views", "targets")}
    assert all(len(found) == 7 for found in parts.values()), parts
    for name in ("splats/model.safetensors", "points/model.safetensors", "splats/curves.csv"):
        assert (workspace.model("encoder") / name).is_file()
    assert (workspace.model("adapted") / "model.safetensors").is_file()
    assert (workspace.report("held_out") / "report.html").stat().st_size > 10_000
    assert not list(workspace.data.rglob("*.tmp"))


def the_report_holds_every_fixed_key_and_the_seconds(workspace):
    report = json.loads((workspace.report("held_out") / "metrics.json").read_text())
    for block, methods, keys in (
        ("zero_shot", ("student", "points", "lifted", "chance"), ("f_miou", "f_macc")),
        ("zero_shot_withheld", ("student", "lifted"), ("f_miou",)),
        ("linear_probe", ("student", "points", "color_only"), ("miou",)),
        ("adaptation", ("before", "after"), ("f_miou",)),
    ):
        assert all(key in report[block][method] for method in methods for key in keys), block
    assert report["storage"]["targets_bytes"] > 0 and report["fit"]["psnr_blind_median"] > 18
    assert {stage for stage, seconds in report["seconds"]["work"].items() if seconds > 0} >= {"capture", "gaussians"}
    assert {stage for stage, seconds in report["seconds"]["wall"].items() if seconds > 0} >= {"embedded", "encoder"}


def dagster_knows_it_all(workspace):
    assert all(history.settled(asset) == SCENE_IDS for asset in PER_SCENE)
    assert all(history.settled(asset) == {None} for asset in STAGES if asset not in PER_SCENE)


def running_again_does_nothing(workspace, capsys):
    assert main(["--all"]) == 0
    assert "nothing to do" in capsys.readouterr().err


def forced_again_gives_the_same_bytes(workspace):
    before = history.instance().get_latest_materialization_event(key(ADAPTED)).asset_materialization.tags
    assert main(["scenes/targets", "test-a", "--force", "--jobs", "1"]) == 0
    assert main(["models/adapted_encoder", "--force", "--jobs", "1"]) == 0
    after = history.instance().get_latest_materialization_event(key(ADAPTED)).asset_materialization.tags
    assert before["dagster/data_version"] == after["dagster/data_version"]


def mlflow_has_the_runs_and_a_challenger_that_answers(workspace):
    import mlflow

    api = trainings.client(workspace)
    runs = {
        run.info.run_name: run
        for run in api.search_runs([api.get_experiment_by_name(trainings.EXPERIMENT).experiment_id])
    }
    assert set(runs) == {"splats", "points", "adapted"} and all(run.data.tags["expectations"] for run in runs.values())
    read = {(one.dataset.name, one.tags[0].value) for one in runs["splats"].inputs.dataset_inputs}
    assert {("targets", "training"), ("targets", "validation"), ("targets", "held_out")} <= read
    assert ("encoder", "training") in {
        (one.dataset.name, one.tags[0].value) for one in runs["adapted"].inputs.dataset_inputs
    }
    kept = {file.path for file in api.list_artifacts(runs["splats"].info.run_id, "report")}
    assert kept == {"report/report.html", "report/plots"}
    challenger = api.get_model_version_by_alias(trainings.MODEL, "challenger")
    made = history.instance().get_latest_materialization_event(key(REGISTRY)).asset_materialization.metadata
    assert made["aliases"].value == {"challenger": int(challenger.version)}
    assert made["mlflow_version"].value.endswith(f"/versions/{challenger.version}")
    assert "It was distilled from" in challenger.description
    model = mlflow.pyfunc.load_model(f"models:/{trainings.MODEL}@challenger")
    scene = read_scene(workspace.scene("test-a", "gaussians"))
    room = {name: array.numpy() for name, array in scene.tensors().items()}
    answer = model.predict(room, params={"queries": ["a chair", "a bed"]})
    assert answer["scores"].shape == (len(answer["features"]), 2) == (len(scene), 2)


def dvc_agrees_after_a_commit_and_repeats_only_what_changed(workspace):
    root = workspace.root
    put_under_dvc(root)
    assert "up to date" in dvc(root, "status")
    assert "up to date" in dvc(root, "repro")
    params = (root / "params.yaml").read_text()
    (root / "params.yaml").write_text(params.replace("min_coverage: 0.2", "min_coverage: 0.3"))
    said = dvc(root, "repro", "adapted_encoder")
    assert "Stage 'encoder' didn't change" in said and "Running stage 'adapted_encoder'" in said
    assert "nothing to do" in materialize(root, "models/adapted_encoder").stderr
    assert "adapted_encoder" not in dvc(root, "status", "adapted_encoder").replace("up to date", "")
    (root / "params.yaml").write_text(params)
    machine = (root / "data" / "machine.yaml").read_text()
    (root / "data" / "machine.yaml").write_text("instruction_set: another\n")
    assert "instruction_set" in dvc(root, "status", "capture")
    (root / "data" / "machine.yaml").write_text(machine)


def put_under_dvc(root: Path) -> None:
    """What was made, committed."""
    (root / "chorus").symlink_to(ROOT / "chorus")
    (root / "data" / "incoming").mkdir()
    (root / ".dvc").mkdir()
    for name in ("dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copyfile(ROOT / name, root / name)
    git(root, "init", "-q")
    dvc(root, "commit", "-f")
    git(root, "add", "dvc.yaml", "dvc.lock", "params.yaml", "data/scenes.yaml", ".gitignore", ".dvc/config")
    git(root, "commit", "-q", "-m", "as made")


def git(root: Path, *argv: str) -> None:
    person = ("-c", "user.name=Chorus", "-c", "user.email=chorus@example.org")
    subprocess.run(["git", *person, *argv], cwd=root, check=True)


def dvc(root: Path, *argv: str) -> str:
    command = [sys.executable, "-m", "dvc", *argv]
    done = subprocess.run(command, cwd=root, env={**os.environ, **environment(root)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
