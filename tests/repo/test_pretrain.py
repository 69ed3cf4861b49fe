"""pretrain/dvc.yaml, written by hand, against what the code says of its stages; the overlay; what lies in docs/runs."""

from pathlib import Path

import pytest
import yaml

from chorus.cli import VERBS
from chorus.json_files import read_json
from chorus.params import load_params
from chorus.recipes.recipe import NUMBERS
from chorus.stages import ADAPTED, REGISTRY

ROOT = Path(__file__).parents[2]
STAGES = yaml.safe_load((ROOT / "pretrain" / "dvc.yaml").read_text())["stages"]
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())
NUMBERS_FILE = "../chorus/recipes/numbers.yaml"


def keys(stage: dict) -> tuple[set[str], set[str]]:
    """Watched groups of params.yaml, and recipes."""
    listed = stage.get("params", [])
    own = {item for item in listed if isinstance(item, str)}
    return own, {key for item in listed if isinstance(item, dict) for key in item.get(NUMBERS_FILE, [])}


def test_its_commands_are_verbs():
    for stage in STAGES.values():
        words = stage["cmd"].split()
        assert words[0] == "python" or (words[0] == "chorus" and words[1] in VERBS), stage["cmd"]


def test_every_parameter_and_recipe_of_what_it_makes_is_watched():
    groups = set().union(*(keys(stage)[0] for stage in STAGES.values()))
    assert groups == set(PARAMS) - {"device", "adapt"}
    recipes = set().union(*(keys(stage)[1] for stage in STAGES.values()))
    assert recipes == set(NUMBERS) - {ADAPTED, REGISTRY}


def test_every_input_is_made_before_or_given():
    made = {"data/scenes.yaml"}
    for stage in STAGES.values():
        for path in stage.get("deps", []):
            assert path in made or (ROOT / "pretrain" / path).exists(), path
        outs = {name: flags for out in stage["outs"] for name, flags in out.items()}
        assert all(flags == {"persist": True, "cache": False} for flags in outs.values())  # resumable, and kept once
        made |= set(outs)


def test_it_is_a_repository_of_its_own():
    assert (ROOT / "pretrain" / ".dvc" / "config").is_file()
    assert "pretrain" not in (ROOT / "dvc.yaml").read_text()


def test_the_overlay_says_what_exists(monkeypatch):
    monkeypatch.delenv("CHORUS_PARAMS", raising=False)
    params = load_params(ROOT / "params.yaml", ROOT / "params.pretrain.yaml")
    assert params.distill.steps > load_params(ROOT / "params.yaml").distill.steps


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "runs").glob("*.json")), ids=lambda path: path.stem)
def test_kept_figures_are_small_and_whole(path):
    assert path.stat().st_size < 8000
    run = read_json(path)
    assert {"params", "recipes", "seed", "rooms", "trained", "validation", "seconds", "machine"} <= set(run)
    assert run["format"] == 1 and len(run["params"]) == 12 and sum(run["rooms"].values()) > 0
