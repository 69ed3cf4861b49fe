"""dvc.yaml, written by hand, against what the code says of the same stages."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from chorus.recipes.recipe import NUMBERS
from chorus.stages import CAPTURE, PER_SCENE, REGISTRY, STAGES
from chorus.store import Store

ROOT = Path(__file__).parents[2]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text())
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
NUMBERS_FILE = "chorus/recipes/numbers.yaml"
UNWATCHED = {"teachers.dir", "device"}  # where weights lie and where tensors live are no part of what is made


def stages() -> dict[str, dict]:
    """Asset -> its DVC stage."""
    marker = "orchestration.materialize "
    found = [stage for stage in PIPELINE["stages"].values() if marker in stage["cmd"]]
    return {stage["cmd"].partition(marker)[2].split()[0]: stage for stage in found}


def outs(stage: dict) -> list[str]:
    return [next(iter(out)) for out in stage.get("outs", [])]


def watched(stage: dict) -> tuple[list[str], dict[str, list[str]]]:
    """Keys of params.yaml, and keys of other files."""
    listed = stage.get("params", [])
    files = {name: keys for item in listed if isinstance(item, dict) for name, keys in item.items()}
    return [item for item in listed if isinstance(item, str)], files


def test_it_stays_short_enough_to_read():
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 80


def test_every_asset_is_a_stage_with_one_output_where_the_store_puts_it():
    assert set(stages()) == set(STAGES)
    store = Store(Path("."))
    for asset, stage in stages().items():
        place = store.artifact(asset, "scene").parent if asset in PER_SCENE else store.artifact(asset)
        assert outs(stage) == ([] if asset == REGISTRY else [place.as_posix()])


def test_every_recipe_has_a_number_that_its_stage_watches():
    assert list(NUMBERS) == list(STAGES)
    for asset, stage in stages().items():
        assert watched(stage)[1].get(NUMBERS_FILE) == ([asset] if asset != REGISTRY else None), asset
    assert watched(stages()[CAPTURE])[1]["data/machine.yaml"] == ["instruction_set"]


def test_every_parameter_is_watched_by_a_stage_and_every_watched_one_exists():
    keys = {key for stage in stages().values() for key in watched(stage)[0]}
    for key in keys:
        value = PARAMS
        for part in key.split("."):
            value = value[part]
    leaves = {f"{group}.{key}" for group, values in PARAMS.items() if isinstance(values, dict) for key in values}
    missed = {leaf for leaf in leaves | {"seed", "device"} if leaf not in keys and leaf.split(".")[0] not in keys}
    assert missed == UNWATCHED


def test_inputs_are_outputs_of_earlier_stages_or_given():
    made = {"data/machine.yaml"}
    for stage in PIPELINE["stages"].values():
        for path in stage.get("deps", []):
            assert path in made or path in ("data/scenes.yaml", "data/incoming"), path
        made |= set(outs(stage))


def test_an_unpacked_archive_without_git_has_a_dvc_that_works(tmp_path):
    """What ``make setup`` does where there is no .git."""
    line = "test -e .git || $(BIN)/dvc config --local core.no_scm true"
    assert line in (ROOT / "Makefile").read_text()
    for name in ("dvc.yaml", "params.yaml", "data/scenes.yaml", NUMBERS_FILE, ".dvc/config"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "data" / "incoming").mkdir()

    def dvc(*argv: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, "DVC_NO_ANALYTICS": "1", "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
        command = [sys.executable, "-m", "dvc", *argv]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)

    assert "is not a git repository" in dvc("status").stderr
    assert dvc("config", "--local", "core.no_scm", "true").returncode == 0
    done = dvc("status")
    assert done.returncode == 0 and "capture" in done.stdout, done.stderr
