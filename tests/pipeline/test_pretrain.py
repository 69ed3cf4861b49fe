"""The pipeline of the model in the box, at a size of seconds, through DVC."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import chorus
from chorus.recipes.trial import lay_out
from chorus.workspace import Workspace
from tests.pipeline import tiny

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


@pytest.fixture
def trial(tmp_path, monkeypatch) -> Path:
    """The tiny home's rooms laid out beside the code the stages watch."""
    tiny.lay_out(tmp_path)
    monkeypatch.setenv("CHORUS_PARAMS", str(tmp_path / "tiny.yaml"))
    laid = lay_out(Workspace.open(tmp_path), tmp_path / "pretrain", designed=3)
    monkeypatch.delenv("CHORUS_PARAMS")
    (tmp_path / "chorus").symlink_to(ROOT / "chorus")
    for name in ("dvc.yaml", ".dvc/config"):
        (laid.store.root / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / "pretrain" / name, laid.store.root / name)
    return laid.store.root


def dvc(trial: Path, *argv: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    places = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": places, "GIT_CEILING_DIRECTORIES": str(trial.parents[1])}
    environment.pop("CHORUS_ROOT", None)
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *argv], cwd=trial, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_ends_in_a_model_that_loads_and_has_nothing_left_to_do(trial):
    dvc(trial, "config", "--local", "core.no_scm", "true")
    dvc(trial, "repro")
    box = trial / "data" / "export"
    assert chorus.load(box).available == chorus.load(box, variant="points").available == ("lang", "upcast", "tokens")
    assert "on 3 rooms of homes designed by people" in (box / "README.md").read_text()
    assert "up to date" in dvc(trial, "status")
    shutil.rmtree(box)  # as a run that was killed before its last stage
    assert "Running stage 'export'" in (said := dvc(trial, "repro")) and said.count("Running stage") == 1
