"""A file, a folder or a scene of the workspace, by the word the user gave."""

import pytest
import torch

from chorus.errors import InputError, StoreError
from chorus.io import write_scene
from chorus.scene import scene_from_colors
from chorus.store import Store, build
from chorus.view.named import open_scene


@pytest.fixture
def scene():
    torch.manual_seed(0)
    return scene_from_colors(
        torch.rand(9, 3), torch.randn(9, 4), torch.rand(9, 3) * 0.1 + 0.01, torch.rand(9), torch.rand(9, 3)
    )


@pytest.fixture
def store(tmp_path, monkeypatch, scene):
    """A workspace, the working directory, with a fitted scene and no capture of it."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path)
    made = {"stage": "x", "recipe": 1, "params": {}, "inputs": {}}
    build(store.scene("kitchen", "gaussians"), make=lambda out: write_scene(out / "scene.ply", scene), **made)
    return store


def test_a_scene_of_the_workspace_comes_before_a_folder_of_its_name(store, scene, tmp_path):
    write_scene(tmp_path / "kitchen", scene.select(torch.arange(3)))  # a folder of .npy arrays
    assert len(open_scene("kitchen", store).gaussians) == 9
    assert len(open_scene("./kitchen", store).gaussians) == 3


def test_a_file_has_no_capture_and_its_stem_for_a_name(store, scene, tmp_path):
    write_scene(tmp_path / "bath room.ply", scene)
    found = open_scene("bath room.ply", store)
    assert (found.name, found.capture, found.unit, len(found.gaussians)) == ("bath room", None, "units", 9)


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("kitchn", StoreError, "Did you mean 'kitchen'"),
        ("absent.ply", InputError, "nothing there"),
        ("Á", StoreError, "scene id"),
    ],
)
def test_what_is_not_there_is_named(store, name, kind, said):
    with pytest.raises(kind, match=said):
        open_scene(name, store)
