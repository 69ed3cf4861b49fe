"""Scenes on disk: what a sample reads of them, and what holding a thousand of them costs."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from chorus.distill import load
from chorus.distill.batches import Balance, TrainingScene
from chorus.distill.load import StoredScene, StoredScenes
from chorus.distill.scenes import HeldScenes, crop_rows
from chorus.distill.train import train_encoder
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import EncoderConfig
from chorus.errors import InputError
from chorus.io import read_scene, write_ply
from chorus.splat.labels import GaussianLabels, save_labels
from chorus.teachers.row_codec import CHUNK, code_rows
from chorus.teachers.rows import ROWS, RowFile, curve_order, save_rows
from tests.unit.distill import small

INPUTS = InputConfig(grid_size=0.1)
ENCODER = EncoderConfig(channels=(16, 16, 32), depths=(0, 1, 1), heads=(1, 1, 2), window=64, drop_path=0.1)
PARAMS = replace(small.PARAMS, steps=6)
WIDTHS = {"lang": 16, "object": 8}


def put(folder, scene, *, widths=WIDTHS, teacher="t", error=0.01):
    """A scene's Gaussians and rows in a folder, as the store's stages write them."""
    folder.mkdir(parents=True)
    write_ply(folder / "scene.ply", scene)
    order = curve_order(scene.means)
    x = torch.cat([scene.rgb * 2 - 1, scene.means], dim=1)[order]
    rows, valid = {}, {}
    for number, (role, width) in enumerate(widths.items()):
        mix = torch.randn(6, width, generator=torch.Generator().manual_seed(number))
        valid[role] = torch.arange(len(scene)) % 10 > number
        rows[role] = code_rows(torch.sin(x @ mix), valid[role], error=error)
    save_rows(folder / ROWS, rows, valid=valid, order=order, teachers=dict.fromkeys(widths, teacher))
    return StoredScene(folder.name, folder / "scene.ply", folder)


@pytest.fixture
def stored(make_room, tmp_path):
    return [put(tmp_path / f"room{i}", make_room(2500, seed=i)) for i in range(3)]


def test_a_scene_is_opened_with_its_own_rows(stored):
    scenes = StoredScenes(stored)
    assert scenes.names == ["room0", "room1", "room2"] and scenes.channels == WIDTHS and not scenes.labels_read
    scene, file = scenes.open(1), RowFile.open(stored[1].targets)
    scene.check()
    assert (scene.scene.means - scene.scene.means[curve_order(scene.scene.means)]).abs().max() == 0  # along the curve
    some = torch.tensor([3, 708, 2405])
    for role in WIDTHS:
        expected = scenes.reader.standards[role].apply(file.features(role)[some])
        assert scene.valid[role][some].all()
        torch.testing.assert_close(scene.target(role, some), expected, atol=5e-3, rtol=0)  # coefficients in half


def test_a_crop_is_one_place_from_floor_to_ceiling_and_reads_few_chunks(make_room, tmp_path, monkeypatch):
    scenes = StoredScenes([put(tmp_path / "room", make_room(20 * CHUNK, seed=0))])
    asked = []
    read = RowFile.coefficients_at
    monkeypatch.setattr(
        load.RowFile, "coefficients_at", lambda f, role, rows: asked.append(rows // CHUNK) or read(f, role, rows)
    )
    whole, crop = scenes.open(0), scenes.open(0, crop=2000, generator=torch.Generator().manual_seed(3))
    assert len(crop.scene) == 2000 and max(len(chunks.unique()) for chunks in asked) <= 12
    height = whole.scene.means[:, 2].amax() - whole.scene.means[:, 2].amin()
    assert crop.scene.means[:, 2].amax() - crop.scene.means[:, 2].amin() > 0.9 * height
    places = {tuple(x): i for i, x in enumerate(whole.scene.means.tolist())}
    rows = torch.tensor([places[tuple(x)] for x in crop.scene.means.tolist()])
    for role in WIDTHS:
        assert torch.equal(crop.valid[role], whole.valid[role][rows])
        torch.testing.assert_close(crop.target(role, torch.arange(2000)), whole.target(role, rows))
    outside = torch.ones(len(whole.scene), dtype=torch.bool).index_fill(0, rows, False)
    center = crop.scene.means[:, :2].mean(dim=0)
    apart = [(scene - center).norm(dim=1) for scene in (crop.scene.means[:, :2], whole.scene.means[outside][:, :2])]
    assert apart[0].mean() < 0.6 * apart[1].mean()
    again = scenes.open(0, crop=2000, generator=torch.Generator().manual_seed(3))
    assert torch.equal(again.scene.means, crop.scene.means)


def test_crop_rows_is_the_whole_of_a_small_scene(make_room):
    room = make_room(50, seed=0)
    rows = crop_rows(room, 80, among=torch.zeros(50, dtype=torch.bool), generator=torch.Generator())
    assert torch.equal(rows, torch.arange(50))


def test_balance_in_the_coefficients_is_that_of_the_rows(stored):
    scenes = StoredScenes(stored)
    balance, scene = scenes.balance(seed=1), scenes.open(2)
    rows = torch.arange(len(scene.scene))
    dense = replace(scene, targets={role: scene.target(role, rows) for role in WIDTHS})
    same = balance.clusters(scene) == balance.clusters(dense)
    assert same.float().mean() > 0.995 and torch.equal(balance.clusters(scene) < 0, ~scene.valid["lang"])
    assert len(torch.unique(balance.clusters(scene))) > 20
    held = HeldScenes([replace(scene, targets={"lang": dense.targets["lang"]})]).balance(seed=1)
    assert isinstance(held, Balance) and held.centers.shape == balance.centers.shape


@pytest.mark.parametrize("crop", [0, 900])
def test_training_from_disk_is_the_same_twice_and_when_resumed(stored, tmp_path, crop):
    def run(out, **changes):
        scenes = StoredScenes(stored)
        params = replace(PARAMS, crop=crop, **changes)
        return train_encoder(scenes, encoder_config=ENCODER, inputs=INPUTS, params=params, out=out)

    class Killed(Exception):
        pass

    def kill(row):
        if row["step"] == 4:
            raise Killed

    run(tmp_path / "a")
    with pytest.raises(Killed):
        train_encoder(
            StoredScenes(stored),
            encoder_config=ENCODER,
            inputs=INPUTS,
            params=replace(PARAMS, crop=crop),
            out=tmp_path / "b",
            watch=kill,
        )
    assert (tmp_path / "b" / "training.pt").exists()
    run(tmp_path / "b")
    names = ("model.safetensors", "curves.csv", "metrics.json")
    assert [(tmp_path / "a" / n).read_bytes() for n in names] == [(tmp_path / "b" / n).read_bytes() for n in names]


def test_training_from_disk_learns_what_training_from_memory_learns(stored, tmp_path):
    scenes = StoredScenes(stored)
    held = []
    for which in range(3):
        found = scenes.open(which)
        rows = torch.arange(len(found.scene))
        held.append(replace(found, targets={role: found.target(role, rows) for role in WIDTHS}))
    common = {"encoder_config": ENCODER, "inputs": INPUTS, "params": PARAMS}
    a = train_encoder(scenes, out=tmp_path / "a", **common)
    b = train_encoder(held, out=tmp_path / "b", **common)
    assert abs(a.curves[-1]["loss"] - b.curves[-1]["loss"]) < 0.1  # other draws of centres, the same targets


def test_scenes_stay_in_memory_up_to_a_bound_and_crops_never(stored, monkeypatch):
    monkeypatch.setattr(load, "HELD", int(1.5 * load._bytes(StoredScenes(stored).open(0))))
    scenes, opened = StoredScenes(stored), []
    monkeypatch.setattr(load, "read_scene", lambda path, read=load.read_scene: opened.append(path) or read(path))
    scenes.open(1, crop=300, generator=torch.Generator())
    for which in (0, 1, 0, 1):
        assert scenes.open(which).name == f"room{which}"
    assert opened == [stored[which].gaussians for which in (1, 0, 1, 1)]


def test_identity_is_of_manifests_where_there_are_and_changes_with_the_rows(stored, tmp_path, make_room):
    before = StoredScenes(stored).identity()
    for folder in {scene.targets for scene in stored}:
        (folder / "manifest.json").write_text(json.dumps({"hash": folder.name}))
    folders = [StoredScene(scene.name, scene.targets, scene.targets) for scene in stored]
    assert StoredScenes(folders).identity()[0] == [[s.name, f"{s.name} {s.name}"] for s in stored]
    other = put(tmp_path / "other" / "room0", make_room(2500, seed=7))
    after = StoredScenes([other, *stored[1:]]).identity()
    assert before[0][1:] == after[0][1:] and before[0][0] != after[0][0]


def test_what_is_chosen_of_the_method_changes_what_is_learnt_and_the_identity(stored, tmp_path, make_room):
    choices = ({}, {"roles": ["lang"]}, {"standard": "channels"}, {"standard": "none"})
    found = [StoredScenes(stored, **choice) for choice in choices]
    assert len({json.dumps(scenes.identity()) for scenes in found}) == len(choices)
    assert found[1].channels == {"lang": 16} and found[1].open(0).channels == {"lang": 16}
    file = RowFile.open(stored[0].targets)
    rows = torch.arange(0, 2500, 97)
    own = file.features("lang")[rows]
    for scenes in found:
        scene, (back, mean) = scenes.open(0), scenes.reader.spaces["lang"]
        seen = scene.valid["lang"][rows]
        again = scene.target("lang", rows) @ back + mean
        torch.testing.assert_close(again[seen], own[seen], atol=2e-3, rtol=0)
    with pytest.raises(InputError, match="teachers among lang, object"):
        StoredScenes(stored, roles=["dino"])


def test_labels_come_with_the_scene_where_they_are_asked_for(stored, make_room, tmp_path):
    folders = []
    for number, scene in enumerate(stored):
        semantic = np.arange(2500) % 4
        labels = GaussianLabels(
            semantic=semantic.astype(np.uint8),
            instance=(semantic * 7).astype(np.uint16),
            confidence=np.ones(2500, np.float16),
            class_names=("unlabelled", "a", "b", "c"),
        )
        save_labels(scene.targets / "labels.npz", labels)
        folders.append(replace(scene, gaussians=scene.targets))
        order = RowFile.open(scene.targets).order(read_scene(scene.targets))
        found = StoredScenes(folders, labels=True).open(number)
        assert np.array_equal(found.labels["lang"], (semantic - 1)[order])
        assert np.array_equal(found.labels["object"], (semantic * 7 - 1)[order])
    assert StoredScenes(folders, labels=True).labels_read == ["lang", "object"]
    assert StoredScenes(folders, labels=True, roles=["lang"]).labels_read == ["lang"]
    cropped = StoredScenes(folders, labels=True).open(0, crop=500, generator=torch.Generator().manual_seed(0))
    assert len(cropped.labels["lang"]) == 500 and not StoredScenes(folders).open(0).labels


def test_scenes_that_do_not_fit_together(stored, tmp_path, make_room):
    room = make_room(1200, seed=9)
    with pytest.raises(InputError, match="at least one training scene"):
        StoredScenes([])
    narrow = put(tmp_path / "narrow", room, widths={"lang": 16})
    with pytest.raises(InputError, match="scene narrow: expected the roles and widths of room0, lang 16, object 8"):
        StoredScenes([*stored, narrow])
    other = put(tmp_path / "other", room, teacher="siglip2")
    with pytest.raises(InputError, match=r"scene other: expected targets of the teachers of room0, t, t, got siglip2"):
        StoredScenes([*stored, other])
    absent = StoredScene("absent", tmp_path, tmp_path / "absent")
    with pytest.raises(InputError, match=r"absent.rows\.safetensors.*Make the targets again"):
        StoredScenes([*stored, absent])
    write_ply(stored[0].gaussians, make_room(2500, seed=11))
    with pytest.raises(InputError, match="the 2500 Gaussians it was made for"):
        StoredScenes(stored).open(0)


def test_a_chunk_cut_during_a_training_ends_it_in_one_line(stored, tmp_path):
    scenes = StoredScenes(stored)
    path = stored[1].targets / ROWS
    content = bytearray(path.read_bytes())
    file = RowFile.open(stored[1].targets)
    content[content.find(file._slice("lang", 0, 60)) + 30] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="checksum of chunk 0 of lang") as caught:
        train_encoder(scenes, encoder_config=ENCODER, inputs=INPUTS, params=PARAMS, out=tmp_path / "out")
    assert "\n" not in str(caught.value)


MEASURED = """
import resource, sys, torch
from pathlib import Path
from dataclasses import replace
from tests.unit.distill.test_scenes import ENCODER, INPUTS, PARAMS, StoredScene, StoredScenes, train_encoder
root, count = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
scenes = StoredScenes([StoredScene(f"s{i}", root / f"s{i}" / "scene.ply", root / f"s{i}") for i in range(count)])
params = replace(PARAMS, steps=12, points=1024)
train_encoder(scenes, encoder_config=ENCODER, inputs=INPUTS, params=params, out=root / f"out{count}")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_of(root, count: int) -> int:
    """Kilobytes a training of this many of the root's scenes takes at most, in a process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(root), str(count)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


@pytest.mark.parametrize(
    ("many", "gaussians"), [(40, 4000), pytest.param(1000, 20_000, marks=pytest.mark.slow)], ids=["40", "1000"]
)
def test_memory_does_not_grow_with_the_number_of_scenes(make_room, tmp_path, many, gaussians):
    real = [put(tmp_path / f"s{i}", make_room(gaussians, seed=i)) for i in range(10)]
    for i in range(10, many):
        (tmp_path / f"s{i}").mkdir()
        for path in real[i % 10].targets.iterdir():
            os.link(path, tmp_path / f"s{i}" / path.name)
    few, all_of_them = peak_of(tmp_path, 10), peak_of(tmp_path, many)
    assert all_of_them < 1.05 * few, (few, all_of_them)


def test_targets_stay_compact_until_rows_are_asked_for(stored):
    scene = StoredScenes(stored).open(0)
    assert isinstance(scene, TrainingScene) and not any(isinstance(x, torch.Tensor) for x in scene.targets.values())
    assert scene.channels == WIDTHS
