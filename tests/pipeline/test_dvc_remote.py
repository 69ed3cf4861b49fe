"""What one clone made, pushed to a bucket, is there in a second clone, where DVC has nothing to do."""

import shutil
from pathlib import Path

import pytest

from chorus.stages import PER_SCENE, STAGES
from chorus.store import Store
from tests.pipeline.servers import bucket
from tests.pipeline.test_chain import ROOT, dvc, git, materialize
from tests.pipeline.tiny import SCENE_IDS, lay_out

pytest.importorskip("dvc_s3")
KEPT = ("dvc.yaml", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore", "chorus/recipes/numbers.yaml")


@pytest.fixture
def first(tmp_path) -> Path:
    """A clone in which the chain has run and DVC agrees."""
    root = tmp_path / "first"
    root.mkdir()
    lay_out(root)
    done = materialize(root, "--all", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    (root / "data" / "incoming").mkdir()
    for name in KEPT:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, root / name)
    git(root, "init", "-q")
    dvc(root, "commit", "-f")
    return root


@pytest.mark.slow
def test_a_second_clone_has_it_all(first, tmp_path):
    with bucket("rooms") as address:
        shared(first, address, tmp_path / "second")


def shared(first, address, second):
    dvc(first, "remote", "add", "-d", "team", "s3://rooms/chorus")
    dvc(first, "remote", "modify", "team", "endpointurl", address)
    git(first, "add", ".")
    git(first, "add", "-f", "tiny.yaml", "data/scenes.yaml")
    git(first, "commit", "-q", "-m", "as made")
    assert "pushed" in dvc(first, "push")
    assert "up to date" in dvc(first, "push")

    git(second.parent, "clone", "-q", str(first), str(second))
    (second / "data" / "incoming").mkdir(exist_ok=True)
    assert "fetched" in dvc(second, "pull")
    for stage in STAGES[:-1]:
        names = sorted(SCENE_IDS) if stage in PER_SCENE else [None]
        for scene in names:
            manifests = [Store(root).artifact(stage, scene) / "manifest.json" for root in (first, second)]
            assert manifests[0].read_bytes() == manifests[1].read_bytes(), (stage, scene)
    said = dvc(second, "repro")
    assert "Running stage" not in said and "up to date" in said
