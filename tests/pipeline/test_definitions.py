"""The asset graph, loaded quickly and without the heavy packages."""

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from chorus.stages import PER_SCENE
from orchestration.recipes import catalog
from orchestration.run.history import repository

GRAPH = {
    "scenes/capture": [],
    "scenes/gaussians": ["scenes/capture"],
    "teachers/embedded": ["scenes/capture"],
    "scenes/teacher_views": ["scenes/gaussians", "teachers/embedded"],
    "scenes/targets": ["scenes/teacher_views"],
    "models/encoder": ["scenes/targets"],
    "models/adapted_encoder": ["models/encoder", "scenes/targets"],
    "reports/evaluation": ["models/adapted_encoder", "models/encoder", "scenes/targets"],
    "registry/chorus_encoder": ["reports/evaluation"],
}
CHECKS = {  # name -> whether it blocks
    "scenes/capture:views": True,
    "scenes/capture:whole": True,
    "scenes/capture:classes": False,
    "scenes/gaussians:likeness": True,
    "scenes/teacher_views:features": True,
    "scenes/targets:coverage": True,
    "teachers/embedded:heads": True,
    "models/encoder:encoder_curves": True,
    "models/encoder:every_room": False,
    "models/adapted_encoder:adapted_curves": True,
    "reports/evaluation:figures": True,
    "reports/evaluation:whole_test_set": True,
    "registry/chorus_encoder:loads_and_answers": False,
}


def test_the_asset_graph():
    graph = repository().asset_graph
    found = {
        key.to_user_string(): sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)
        for key in graph.materializable_asset_keys
    }
    assert found == GRAPH
    assert set(catalog.ASSETS) == set(GRAPH)
    assert [asset for phase in catalog.PHASES for asset in phase] != [] and {
        a for phase in catalog.PHASES for a in phase
    } == set(GRAPH)


def test_the_checks():
    graph = repository().asset_graph
    found = {
        f"{key.asset_key.to_user_string()}:{key.name}": bool(graph.get(key).blocking) for key in graph.asset_check_keys
    }
    assert found == CHECKS


def test_only_scene_assets_have_partitions():
    graph = repository().asset_graph
    assert {key.to_user_string() for key in graph.materializable_asset_keys if graph.get(key).is_partitioned} == set(
        PER_SCENE
    )


def test_every_asset_and_check_explains_itself():
    graph = repository().asset_graph
    assert all(graph.get(key).description for key in graph.materializable_asset_keys)
    assert all(graph.get(key).description for key in graph.asset_check_keys)


def test_definitions_load_fast_and_light():
    """No heavy package, and less work than importing Dagster itself: CPU time of the same process."""
    code = (
        "import sys, time, json; t = time.process_time(); import dagster; peer = time.process_time() - t; "
        "t = time.process_time(); import orchestration.definitions as d; d.defs.get_repository_def();"
        "print(json.dumps([(time.process_time() - t) / peer, sorted(set(sys.modules) & {'torch', 'mlflow', "
        "'great_expectations', 'pandas', 'transformers'})]))"
    )
    ratio, heavy = json.loads(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    )
    assert heavy == []
    assert ratio < 1


def test_definitions_stay_short():
    assert len((Path(__file__).parents[2] / "orchestration/definitions.py").read_text().splitlines()) <= 40


@pytest.mark.parametrize("selection", ["key:scenes/capture", 'group:"models"', "+key:registry/chorus_encoder"])
def test_selections_parse_and_resolve(selection):
    chosen = dg.AssetSelection.from_string(selection).resolve(repository().asset_graph)
    assert chosen


def test_recipes_need_no_dagster():
    code = "import sys, orchestration.recipes.catalog; print('dagster' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
