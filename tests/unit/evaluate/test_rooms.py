"""Which rooms an evaluation is of: read off the scene list, and missed when their targets are not current."""

from pathlib import Path

import pytest

from chorus.errors import StoreError
from chorus.evaluate.rooms import PARTS, Rooms, require_targets, without_targets
from chorus.sources.sweethome3d import read_scenes
from chorus.store import Store, build, manifest_of

SCENES = read_scenes(Path(__file__).parents[3] / "data/scenes.yaml")


def test_held_out_is_the_test_and_validation_stands_beside_it():
    rooms = Rooms.listed(SCENES)
    assert rooms.split == "held_out"
    assert [len(rooms.test), len(rooms.adaptation), len(rooms.validation), len(rooms.validation_adaptation)] == [
        8,
        6,
        7,
        4,
    ]
    assert [len(rooms.probe_train), len(rooms.adapted_on)] == [24, 16]
    assert sorted(rooms.every()) == sorted(scene.id for scene in SCENES)


def test_validation_is_the_test_and_held_out_rooms_take_no_part():
    rooms = Rooms.listed(SCENES, split="validation")
    held_out = Rooms.listed(SCENES)
    assert rooms.test == held_out.validation and rooms.adaptation == held_out.validation_adaptation
    assert not rooms.validation and not set(rooms.every()) & {*held_out.test, *held_out.adaptation}


def _chain(store, scene, *, pixel="a", until="targets"):
    """A scene of four one-file parts, each made from all before it."""
    inputs = {}
    for part in PARTS[: PARTS.index(until) + 1]:

        def make(out, part=part):
            (out / "x").write_text(pixel + part)

        found = build(store.scene(scene, part), stage=part, recipe=1, params=pixel, inputs=dict(inputs), make=make)
        inputs[part] = found.hash


@pytest.mark.parametrize("part", PARTS)
def test_targets_of_another_capture_fit_or_view_are_not_current(tmp_path, part):
    store = Store(tmp_path)
    for scene in ("kitchen", "bath"):
        _chain(store, scene)
    assert without_targets(store, ["kitchen", "bath"]) == []
    if part == "targets":
        (store.scene("bath", part) / "manifest.json").unlink()
    else:
        _chain(store, "bath", pixel="b", until=part)
    assert without_targets(store, ["kitchen", "bath"]) == ["bath"]
    with pytest.raises(StoreError, match="held-out rooms: expected current targets of all 2, got none of bath"):
        require_targets(store, Rooms(test=["kitchen"], adaptation=["bath"]))
    require_targets(store, Rooms(test=["kitchen"], probe_train=["bath"]))  # a training room may be left out
    assert manifest_of(store.scene("kitchen", "targets"))["inputs"]
