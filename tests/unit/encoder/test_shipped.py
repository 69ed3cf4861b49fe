"""The small copy of a model against the model itself, and the model and the room that ship."""

import shutil

import numpy as np
import pytest
import torch

import chorus
from chorus.encoder import shipped
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel, load_model, save_model
from chorus.encoder.compact import compact, fold, unfold
from chorus.encoder.encode import SceneEncoder
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import EncoderConfig
from chorus.errors import ChorusError, InputError
from chorus.io import read_scene, write_scene
from chorus.json_files import read_json
from chorus.store import hash_files


@pytest.fixture
def model() -> SceneModel:
    """Heads for words and for another teacher, in spaces of their own."""
    torch.manual_seed(3)
    size = EncoderConfig(channels=(16, 16), depths=(0, 1), heads=(1, 1), window=64, drop_path=0.0)
    heads = {role: HeadConfig(channels=24, width=16, teacher=role) for role in ("lang", "dino")}
    model = SceneModel(ModelConfig(encoder=size, inputs=InputConfig(grid_size=0.1), heads=heads, text="embedded"))
    for role in heads:
        model.space(role).set(torch.randn(24, 24), torch.randn(24))
    return model


def test_the_small_copy_says_the_same(model, make_room, tmp_path):
    save_model(compact(model), tmp_path)
    small, scene = load_model(tmp_path), make_room(500)
    full, few = SceneEncoder(model).encode(scene), SceneEncoder(small).encode(scene)
    cosine = torch.nn.functional.cosine_similarity(full.lang, few.lang)
    assert cosine.min() > 0.999 and (full.lang - few.lang).abs().max() < 0.01 * full.lang.abs().max()
    assert small.config.heads["lang"].folded and list(small.heads) == ["lang"] and not small.spaces
    assert all(tensor.dtype == torch.float32 for tensor in small.state_dict().values())  # half on disk alone
    save_model(model, tmp_path / "full")
    assert (tmp_path / "model.safetensors").stat().st_size < 0.6 * (tmp_path / "full/model.safetensors").stat().st_size


def test_folding_twice_changes_nothing(model):
    once = compact(model)
    twice = compact(once.float())
    assert all(torch.equal(a, b) for a, b in zip(once.state_dict().values(), twice.state_dict().values(), strict=True))


def test_what_was_folded_in_is_taken_out_again(model, make_room):
    scene, small = make_room(300), compact(model).float()
    said = SceneEncoder(small).encode(scene).lang
    matrix, mean = torch.randn(24, 24), torch.randn(24)
    unfold(small, "lang", matrix, mean)
    assert not small.config.heads["lang"].folded and torch.equal(small.space("lang").matrix, matrix)
    torch.testing.assert_close(SceneEncoder(small).encode(scene).lang, said, rtol=1e-3, atol=1e-3)
    fold(small, "lang")
    torch.testing.assert_close(SceneEncoder(small).encode(scene).lang, said, rtol=1e-3, atol=1e-3)


def test_a_config_says_folded_only_where_it_is(model):
    assert all("folded" not in head for head in model.config.to_json()["heads"].values())
    small = compact(model).config.to_json()
    assert small["heads"]["lang"]["folded"] is True and ModelConfig.from_json(small).heads["lang"].folded


def test_it_cannot_be_trained_further_nor_lack_a_head(model):
    with pytest.raises(InputError, match=r"the lang head: expected its teacher's space .* got one folded into it"):
        compact(model).space("lang")
    with pytest.raises(InputError, match="expected heads among lang, dino, got object"):
        compact(model, roles=("object",))


@pytest.mark.parametrize("variant", ["splats", "points"])
def test_the_model_in_the_box_reads_the_room_in_the_box(variant):
    encoder, room = chorus.load(variant=variant), read_scene(shipped.SAMPLE)
    assert encoder.config.inputs.variant == variant and encoder.available == ("lang", "upcast", "tokens")
    found = encoder.encode(room).query(["a bed", "a window"]).argmax(dim=1)
    height = room.means[:, 2]
    low = found[(height > 0.2) & (height < 0.6)].float().mean()  # the share of windows at the height of the mattress
    assert low < 0.5 < found[(height > 1.2) & (height < 2.0)].float().mean()


def test_the_room_in_the_box_is_read_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    room = chorus.read("sample")
    assert len(room) == len(read_scene(shipped.SAMPLE)) and room.frame.label == "m"
    assert torch.equal(room.means, read_scene(shipped.SAMPLE).means)
    with pytest.raises(InputError, match="for a file"):
        chorus.read("sample", up="y")
    write_scene(tmp_path / "sample", room.select(torch.arange(5)))  # a folder of that name comes first
    assert len(chorus.read("sample", up="z", unit="m")) == 5


def test_the_box_is_small():
    weights = [path.stat().st_size for path in shipped.WEIGHTS.rglob("*.safetensors")]
    assert len(weights) == 2 and sum(weights) <= 8e6
    assert shipped.SAMPLE.stat().st_size <= 1e6
    for folder in (shipped.WEIGHTS, shipped.SAMPLE.parent):
        card = (folder / "README.md").read_text()
        assert all(name in card for name in ("CC-BY 3.0", "Puybaret", "Scopia", "Blend Swap"))
    assert "## What it cannot do" in (shipped.WEIGHTS / "README.md").read_text()


def test_every_file_in_the_box_has_its_checksum():
    assert shipped.shipped_model() == shipped.WEIGHTS
    files = read_json(shipped.WEIGHTS / "manifest.json")["files"]
    assert files == hash_files(shipped.WEIGHTS)


@pytest.fixture
def box(tmp_path, monkeypatch):
    shutil.copytree(shipped.WEIGHTS, tmp_path / "weights")
    monkeypatch.setattr(shipped.shipped_model, "__defaults__", (tmp_path / "weights",))
    return tmp_path / "weights"


def test_a_damaged_model_is_named_in_a_line(box):
    weights = box / "splats" / "model.safetensors"
    content = np.frombuffer(weights.read_bytes(), np.uint8).copy()
    content[-1] ^= 1
    weights.write_bytes(content.tobytes())
    with pytest.raises(
        InputError, match=r"splats/model.safetensors: expected the shipped file \(SHA-256 \w{12}\), got"
    ):
        chorus.load()


@pytest.mark.parametrize(
    "change, said", [("cut", "the shipped file"), ("gone", "got nothing there"), ("{}", "checksums of")]
)
def test_so_are_one_cut_short_one_absent_and_one_without_checksums(box, change, said):
    config = box / "points" / "config.json"
    if change == "cut":
        config.write_bytes(config.read_bytes()[:-20])
    elif change == "gone":
        config.unlink()
    else:
        (box / "manifest.json").write_text(change)
    with pytest.raises(ChorusError, match=said) as told:
        chorus.load(variant="points")
    assert "\n" not in str(told.value) and "Install chorus-gs again" in str(told.value)
