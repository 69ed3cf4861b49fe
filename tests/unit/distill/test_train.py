import csv
from dataclasses import replace

import pytest
import torch

from chorus.distill.batches import TrainingScene, draw_rows
from chorus.distill.scenes import HeldScenes
from chorus.distill.train import Distillation, train_encoder
from chorus.encoder.augment import Augmentation
from chorus.encoder.checkpoint import HeadConfig, ModelConfig
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import EncoderConfig
from chorus.errors import InputError
from chorus.params import BlindParams
from chorus.train import loop
from tests.unit.distill.small import PARAMS


@pytest.fixture
def scenes(make_room):
    """Targets a network can learn from colour and shape."""
    mix = {
        "lang": torch.randn(6, 16, generator=torch.Generator().manual_seed(1)),
        "object": torch.randn(6, 8, generator=torch.Generator().manual_seed(2)),
    }
    found = []
    for i in range(3):
        room = make_room(1200, seed=i)
        x = torch.cat([room.rgb * 2 - 1, room.scales * 20 - 1], dim=1)
        targets = {role: torch.sin(x @ m) for role, m in mix.items()}
        valid = {role: torch.arange(1200) % 10 > 0 for role in mix}
        found.append(TrainingScene(name=f"room{i}", scene=room, targets=targets, valid=valid))
    return found


def setup(variant="splats", **changes):
    inputs = InputConfig(variant=variant, grid_size=0.1)
    config = EncoderConfig(
        in_channels=inputs.channels, channels=(16, 16, 32), depths=(0, 1, 1), heads=(1, 1, 2), window=64, drop_path=0.1
    )
    return {"inputs": inputs, "encoder_config": config, "params": replace(PARAMS, **changes)}


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


class Killed(Exception):
    pass


def test_a_run_killed_and_resumed_writes_the_same_bytes(scenes, tmp_path):
    def kill(row):
        if row["step"] == 8:
            raise Killed

    train_encoder(scenes, **setup(), out=tmp_path / "straight")
    with pytest.raises(Killed):
        train_encoder(scenes, **setup(), out=tmp_path / "resumed", state=tmp_path / "state", watch=kill)
    assert (tmp_path / "state" / "training.pt").exists()
    first = []
    train_encoder(
        scenes,
        **setup(),
        out=tmp_path / "resumed",
        state=tmp_path / "state",
        watch=lambda row: first.append(row["step"]),
    )
    assert first[0] == 8  # the first row after the checkpoint of step 6
    assert files(tmp_path / "straight") == files(tmp_path / "resumed")
    assert list((tmp_path / "state").iterdir()) == []


def test_a_checkpoint_of_another_run_is_ignored_with_a_line(scenes, tmp_path, capsys):
    def kill(row):
        if row["step"] == 4:
            raise Killed

    with pytest.raises(Killed):
        train_encoder(scenes, **setup(), out=tmp_path, watch=kill)
    first = []
    train_encoder(scenes, **setup(lr=1e-3), out=tmp_path, watch=lambda row: first.append(row["step"]))
    assert first[0] == 2
    assert "training.pt: of other parameters, scenes or code; the training starts anew." in capsys.readouterr().err


@pytest.mark.parametrize("variant", ["splats", "points"])
def test_training_lowers_the_loss_and_the_object_teacher_joins_late(scenes, tmp_path, variant):
    result = train_encoder(scenes, **setup(variant, steps=60, log_every=10), out=tmp_path)
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert [row["object"] == "" for row in rows] == [True] * 3 + [False] * 3
    assert float(rows[2]["lang"]) < 0.9 * float(rows[0]["lang"])
    assert result.model.config.notes["labels_read"] == []


def test_the_object_teacher_joins_at_once_where_nobody_is_late(scenes, tmp_path):
    train_encoder(scenes, **setup(steps=8), out=tmp_path, late=None)
    rows = list(csv.DictReader((tmp_path / "curves.csv").open()))
    assert all(row["object"] for row in rows)


def test_dropped_splats_are_neither_seen_nor_asked_about(scenes, tmp_path):
    less = replace(Augmentation(), dropout=0.9)
    config = ModelConfig(
        encoder=setup()["encoder_config"], inputs=setup()["inputs"], heads={"lang": HeadConfig(channels=16, width=8)}
    )
    options = {"params": PARAMS, "seed": 0, "spaces": {}, "device": torch.device("cpu"), "augmentation": less}
    task = Distillation(HeldScenes(scenes), config, **options)
    sizes = {len(task.sample(number).scene.scene) for number in range(12)}
    assert max(sizes) == 1200 and 0 < min(sizes) < 250
    for number in range(12):
        drawn = task.sample(number)
        assert int(drawn.rows.max()) < len(drawn.scene.scene) == len(drawn.scene.targets["lang"])
    task.close()


def test_labels_are_read_only_where_given_and_named(scenes, tmp_path):
    labeled = [replace(scene, labels={"lang": (scene.scene.rgb[:, 0] > 0.5).long()}) for scene in scenes]
    result = train_encoder(labeled, **setup(steps=2, points=1000), out=tmp_path / "with")
    plain = train_encoder(scenes, **setup(steps=2, points=1000), out=tmp_path / "without")
    assert result.model.config.notes["labels_read"] == ["lang"]
    assert result.curves[-1]["lang"] > plain.curves[-1]["lang"]


def test_other_seed_other_bytes(scenes, tmp_path):
    for seed in (0, 1):
        train_encoder(scenes, **setup(steps=2), out=tmp_path / str(seed), seed=seed)
    assert (tmp_path / "0" / "model.safetensors").read_bytes() != (tmp_path / "1" / "model.safetensors").read_bytes()


def test_rare_clusters_are_drawn_more_often_than_they_occur(scenes):
    clusters = torch.tensor([-1] * 100 + [0] * 900 + [1] * 100)
    drawn = clusters[draw_rows(clusters, 20000, torch.Generator().manual_seed(0))]
    assert int(drawn.min()) == 0
    assert abs(float((drawn == 1).float().mean()) - 10 / (30 + 10)) < 0.02
    balance = HeldScenes(scenes).balance(seed=0)
    assert all(torch.equal(balance.clusters(s) < 0, ~s.valid["lang"]) for s in scenes)


def test_scenes_that_do_not_fit(scenes, tmp_path):
    def run(found):
        train_encoder(found, **setup(), out=tmp_path)

    with pytest.raises(InputError, match="at least one training scene"):
        run([])
    with pytest.raises(InputError, match="lang targets for 1200 Gaussians"):
        run([replace(scenes[0], targets={"lang": torch.zeros(5, 16)})])
    with pytest.raises(InputError, match="valid lang target"):
        run([replace(scenes[0], valid={role: torch.zeros(1200, dtype=torch.bool) for role in ("lang", "object")})])
    with pytest.raises(InputError, match="roles and widths of room0"):
        run([scenes[0], replace(scenes[1], targets={"lang": scenes[1].targets["lang"]})])
    bad = {role: t.clone().index_fill(0, torch.tensor([5]), float("nan")) for role, t in scenes[0].targets.items()}
    with pytest.raises(InputError, match="NaN or infinity"):
        run([replace(scenes[0], targets=bad)])
    (tmp_path / "training.pt").write_bytes(b"damaged")
    with pytest.raises(InputError, match="training checkpoint"):
        run(scenes)


def test_a_blinded_training_differs_and_stays_a_function_of_its_seed(scenes, tmp_path):
    blind = BlindParams(color=0.5, opacity=0.5, normal=0.0)
    for name, params in (("plain", {}), ("a", {"blind": blind}), ("b", {"blind": blind})):
        train_encoder(scenes, **setup(steps=4, **params), out=tmp_path / name)
    weights = {name: (tmp_path / name / "model.safetensors").read_bytes() for name in ("plain", "a", "b")}
    assert weights["a"] == weights["b"] != weights["plain"]


def test_activations_computed_twice_give_the_same_bytes(scenes, tmp_path):
    for when in ("never", "always"):
        train_encoder(scenes, **setup(steps=4, checkpointing=when), out=tmp_path / when)  # paths are dropped here
    never, always = ((tmp_path / when / "model.safetensors").read_bytes() for when in ("never", "always"))
    assert never == always


def test_in_bfloat16_a_training_stays_near_that_in_float32(scenes, tmp_path, monkeypatch):
    plain = train_encoder(scenes, **setup(steps=20), out=tmp_path / "float32")
    monkeypatch.setattr(loop, "autocast", lambda device: torch.autocast("cpu", torch.bfloat16))
    half = train_encoder(scenes, **setup(steps=20), out=tmp_path / "bfloat16")
    assert all(p.dtype == torch.float32 for p in half.model.parameters())
    assert half.metrics["final"] != plain.metrics["final"]
    for role in ("loss", "lang", "object"):
        assert half.metrics["final"][role] == pytest.approx(plain.metrics["final"][role], rel=0.03)


def test_two_accumulated_rooms_are_their_mean(scenes, tmp_path):
    result = train_encoder(scenes, **setup(steps=6, accumulate=2), out=tmp_path)
    assert result.metrics["final"]["loss"] > 0 and result.model.config.notes["params"]["accumulate"] == 2


def test_wide_heads_learn_in_blocks_what_they_learn_whole(scenes, tmp_path, monkeypatch):
    whole = train_encoder(scenes, **setup(steps=4), out=tmp_path / "whole")
    monkeypatch.setattr("chorus.distill.train.KEPT_BYTES", 0)
    monkeypatch.setattr("chorus.distill.losses.HIDDEN_BYTES", 4 * 32 * 50)
    blocks = train_encoder(scenes, **setup(steps=4), out=tmp_path / "blocks")
    assert abs(whole.curves[-1]["loss"] - blocks.curves[-1]["loss"]) < 1e-4
