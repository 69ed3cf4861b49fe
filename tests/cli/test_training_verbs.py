"""teach, distill, adapt and evaluate, in a virtual environment in which no workflow tool is installed."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from chorus.store import Store
from tests.pipeline.tiny import lay_out

FORBIDDEN = ("dagster", "mlflow", "dvc", "great_expectations")


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """The interpreter of an environment with everything but the workflow tools."""
    folder = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    code = "import sysconfig; print(sysconfig.get_paths()['purelib'])"
    python = folder / "bin" / "python"
    site = Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())
    for entry in Path(sysconfig.get_paths()["purelib"]).iterdir():
        if not entry.name.startswith(FORBIDDEN):
            (site / entry.name).symlink_to(entry)
    return python


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """A project folder with the tiny home and nothing made yet."""
    root = tmp_path_factory.mktemp("project")
    lay_out(root)
    return root


def test_the_library_trains_by_itself(python, root):
    there = "getattr(u.find_spec(name), 'origin', None)"  # our own folder mlflow/ is no package: it has no origin
    absent = f"import importlib.util as u; print([name for name in {FORBIDDEN!r} if {there}])"
    assert run(python, root, "-c", absent).stdout.strip() == "[]"
    assert "7 scenes with targets" in chorus(python, root, "teach")
    assert "encoder: trained" in chorus(python, root, "distill")
    assert "adapted encoder: trained" in chorus(python, root, "adapt")
    assert "validation" in chorus(python, root, "evaluate", "--split", "validation")
    chorus(python, root, "evaluate")
    store = Store(root)
    held_out, validation = (
        json.loads((store.report(s) / "metrics.json").read_text()) for s in ("held_out", "validation")
    )
    assert held_out["data"]["rooms"] == ["test-a"] and validation["data"]["rooms"] == ["check-a"]
    assert held_out["validation"]["student"]["f_miou"] == validation["zero_shot"]["student"]["f_miou"]
    for what, verb in (("encoder: already there", "distill"), ("adapted encoder: already there", "adapt")):
        assert what in chorus(python, root, verb)


def test_a_test_room_without_targets_is_named(python, root):
    shutil.rmtree(Store(root).scene("test-a", "targets"))
    done = run(python, root, "-m", "chorus.cli", "evaluate")
    assert done.returncode == 2 and "scenes/targets of test-a: expected current targets" in done.stderr
    assert done.stderr.count("\n") == 1


def chorus(python: Path, root: Path, *argv: str) -> str:
    done = run(python, root, "-m", "chorus.cli", *argv)
    assert done.returncode == 0, done.stderr
    return done.stdout


def run(python: Path, root: Path, *argv: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "CHORUS_ROOT": str(root), "CHORUS_PARAMS": str(root / "tiny.yaml")}
    return subprocess.run([str(python), *argv], cwd=root, env=environment, capture_output=True, text=True)


def test_a_bad_folder_stops_no_other_scene(python, root):
    bad = root / "data" / "incoming" / "bad"
    bad.mkdir(parents=True)
    (bad / "transforms.json").write_text("{}")
    done = run(python, root, "-m", "chorus.cli", "teach")
    assert done.returncode == 2 and "7 scenes with targets" in done.stdout
    assert "bad: " in done.stderr and "expected targets of every scene, got none of bad" in done.stderr
    assert (Store(root).scene("test-a", "targets") / "manifest.json").is_file()  # made again: a test before removed it
