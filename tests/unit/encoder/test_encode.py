import json
import shutil
from dataclasses import replace

import pytest
import torch

import chorus
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel, load_model, save_model
from chorus.encoder.encode import SceneEncoder
from chorus.encoder.inputs import InputConfig, voxelize
from chorus.encoder.model import EncoderConfig
from chorus.encoder.tiling import cut, encode_tiles
from chorus.errors import ChorusError, InputError, MissingError
from chorus.io import PointCloud, read_features, write_npy_folder, write_points, write_scene
from chorus.scene import scene_from_colors

INPUTS = InputConfig(grid_size=0.1)
SIZE = EncoderConfig(channels=(16, 16, 32), depths=(0, 1, 1), heads=(1, 1, 2), window=64, drop_path=0.0)


@pytest.fixture
def model():
    torch.manual_seed(0)
    heads = {"lang": HeadConfig(channels=12, width=24, teacher="words"), "object": HeadConfig(channels=8, width=24)}
    model = SceneModel(ModelConfig(encoder=SIZE, inputs=INPUTS, heads=heads, text="embedded")).eval()
    model.spaces["lang"].set(torch.linalg.qr(torch.randn(12, 12))[0] * 0.3, torch.randn(12))
    return model


def test_a_saved_model_comes_back_whole_and_in_the_same_bytes(model, tmp_path):
    save_model(model, tmp_path / "a")
    again = load_model(tmp_path / "a")
    save_model(again, tmp_path / "b")
    assert again.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
    for name in ("model.safetensors", "config.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_four_lines(model, tmp_path, make_room, monkeypatch):
    model.save_pretrained(tmp_path / "splats")
    chorus_encoder = chorus.load(tmp_path)  # finds the variant's subfolder
    monkeypatch.setattr(chorus_encoder, "text", lambda prompts: torch.eye(len(prompts), 12))
    out = chorus_encoder.encode(make_room(500), outputs=("lang", "object", "upcast", "tokens"))
    assert out.lang.shape == (500, 12)
    assert out["object"].shape == (500, 8)
    assert out.upcast.shape == (500, 64)
    assert len(out.tokens) == len(out.tokens_xyz)
    scores = out.query(["a chair", "a lamp"])
    assert scores.shape == (500, 2)
    assert float(scores.abs().max()) <= 1.00001


def test_the_hub_gets_a_model_that_loads_and_a_card(model, tmp_path, monkeypatch):
    import huggingface_hub

    class Api:
        def __init__(self, token=None):
            self.token = token

        def create_repo(self, repo_id, *, private, exist_ok):
            assert (self.token, private, exist_ok) == ("secret", True, True)
            return f"https://huggingface.co/{repo_id}"

        def upload_folder(self, *, repo_id, folder_path, commit_message):
            shutil.copytree(folder_path, tmp_path / repo_id)

    monkeypatch.setattr(huggingface_hub, "HfApi", Api)
    assert model.push_to_hub("me/encoder", private=True, token="secret") == "https://huggingface.co/me/encoder"
    again = SceneModel.from_pretrained(tmp_path / "me/encoder")
    assert again.config == model.config
    assert "gaussian-splatting" in (tmp_path / "me/encoder/README.md").read_text()


def test_features_leave_the_standardized_space(model, make_room):
    room = make_room(300)
    encoder = SceneEncoder(model)
    out = encoder.encode(room, outputs=("lang", "upcast"))
    with torch.no_grad():
        expected = model.heads["lang"](out.upcast) @ model.spaces["lang"].matrix + model.spaces["lang"].mean
    torch.testing.assert_close(out.lang, expected, rtol=1e-4, atol=1e-5)


def test_permuting_gaussians_permutes_features_bit_for_bit(model, make_room):
    room, encoder = make_room(1500), SceneEncoder(model)
    order = torch.randperm(1500, generator=torch.Generator().manual_seed(5))
    plain, mixed = encoder.encode(room, outputs=("lang",)), encoder.encode(room.select(order), outputs=("lang",))
    assert torch.equal(plain.lang[order], mixed.lang)


def test_several_scenes(model, make_room):
    rooms = [make_room(200, seed=i) for i in range(2)]
    out = SceneEncoder(model).encode(rooms)
    assert torch.equal(out[1].lang, SceneEncoder(model).encode(rooms[1]).lang)


def test_every_kind_of_source(model, make_room, tmp_path):
    """A .ply, a SceneSplat folder, arrays and bare points."""
    room, encoder = make_room(200), SceneEncoder(model)
    write_scene(tmp_path / "scene.ply", room)
    write_npy_folder(tmp_path / "folder", room)
    arrays = scene_from_colors(room.means, room.quats, room.scales, room.opacities, room.rgb)
    write_points(
        tmp_path / "points.ply",
        PointCloud(points=room.means.numpy(), colors=(room.rgb * 255).byte().numpy(), normals=None),
    )
    plain = encoder.encode(room).lang
    for scene in (chorus.read(tmp_path / "scene.ply"), chorus.read(tmp_path / "folder"), arrays):
        cosine = torch.nn.functional.cosine_similarity(encoder.encode(scene).lang, plain, dim=1)
        assert float(cosine.min()) > 0.99  # a folder keeps colours as bytes
    assert encoder.encode(chorus.read(tmp_path / "points.ply")).lang.shape == (200, 12)
    points = SceneModel(
        ModelConfig(encoder=replace(SIZE, in_channels=9), inputs=InputConfig(variant="points", grid_size=0.1))
    )
    out = SceneEncoder(points).encode(
        chorus.read(tmp_path / "points.ply"), outputs=("upcast",), normals=torch.eye(3)[torch.arange(200) % 3]
    )
    assert out.upcast.shape == (200, 64)


def test_normals_belong_to_one_scene(model, make_room):
    with pytest.raises(InputError, match="normals for one scene"):
        SceneEncoder(model).encode([make_room(10)], normals=torch.zeros(10, 3))


def test_names_that_cannot_be_asked_for(model, make_room):
    with pytest.raises(InputError, match="lang, object, upcast, tokens"):
        SceneEncoder(model).encode(make_room(10), outputs=("dino",))
    with pytest.raises(InputError, match="model with words"):
        SceneEncoder(model).encode(make_room(10), outputs=("upcast",)).query(["a chair"])


def test_tiles_own_every_row_once(make_room):
    voxels = voxelize(make_room(6000, size=(12.0, 5.0, 2.5)), INPUTS)
    tiles = cut(voxels.grid, max_rows=1500, cell=4, halo=10)
    assert len(tiles) > 2
    owned = torch.cat([rows[core] for rows, core in tiles])
    assert torch.equal(owned.sort().values, torch.arange(len(voxels)))
    assert max(int(core.sum()) for _, core in tiles) <= 1500


def test_tiled_and_untiled_features_agree(model, make_room):
    room = make_room(6000, size=(12.0, 5.0, 2.5))
    assert len(list(encode_tiles(model.encoder, voxelize(room, INPUTS), max_rows=1500, halo=20))) > 2
    whole = SceneEncoder(model).encode(room, outputs=("upcast", "tokens"))
    tiled = SceneEncoder(model, max_rows=1500).encode(room, outputs=("upcast", "tokens"))
    cosine = torch.nn.functional.cosine_similarity(whole.upcast, tiled.upcast, dim=1)
    assert 0.98 <= float(cosine.mean()) < 1 - 1e-6
    assert sorted(map(tuple, tiled.tokens_xyz.tolist())) == sorted(map(tuple, whole.tokens_xyz.tolist()))


def test_files_hold_what_memory_does(model, make_room, tmp_path, monkeypatch):
    monkeypatch.setattr("chorus.encoder.encode.BLOCK", 100)
    room = make_room(3000, size=(6.0, 5.0, 2.5))
    encoder = SceneEncoder(model, max_rows=800)
    encoder.encode_to_files(room, {"lang": tmp_path / "l", "upcast": tmp_path / "u"}, info={"scene": "room"})
    out = encoder.encode(room, outputs=("lang", "upcast"))
    for name, file in (("lang", "l"), ("upcast", "u")):
        back = read_features(tmp_path / file)
        assert torch.equal(back.features, out[name].half().float())
        assert back.info == {"scene": "room", "output": name}
    with pytest.raises(InputError, match="a row per Gaussian"):
        encoder.encode_to_files(room, {"tokens": tmp_path / "t"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["l", "u"]


@pytest.mark.parametrize("max_rows", [200, 10**6])
def test_shared_rows_are_those_of_every_gaussian(model, make_room, max_rows):
    encoder, room = SceneEncoder(model, max_rows=max_rows, halo=0.3), make_room(1500)
    for output in ("lang", "object", "upcast"):
        rows, index = encoder.encode_shared(room, output)
        assert len(rows) < len(room) == len(index)
        assert torch.equal(rows[index], encoder.encode(room, outputs=(output,))[output])
    for wrong in ("tokens", "dino"):
        with pytest.raises(InputError, match="encode"):
            encoder.encode_shared(room, wrong)


def test_a_bar_on_long_scenes_only(model, make_room, monkeypatch):
    steps = []
    monkeypatch.setattr("chorus.encoder.sinks.Bar.advance", lambda bar, count: steps.append((bar.shown, count)))
    room = make_room(2000)
    SceneEncoder(model).encode(room, progress=True)
    assert not any(shown for shown, _ in steps)
    monkeypatch.setattr("chorus.encoder.sinks.LONG", 100)
    steps.clear()
    SceneEncoder(model).encode(room, progress=True)
    assert all(shown for shown, _ in steps)
    assert sum(count for _, count in steps) == pytest.approx(2 * len(voxelize(room, INPUTS)))
    assert len(steps) > 2  # also while the network runs
    steps.clear()
    SceneEncoder(model).encode(room, progress=False)
    assert not any(shown for shown, _ in steps)


@pytest.mark.parametrize("source", ["/nowhere/at/all", "owner/absent"])
def test_a_model_that_is_nowhere(source):
    with pytest.raises(MissingError, match="hub id"):
        chorus.load(source)


def test_damaged_models(model, tmp_path):
    with pytest.raises(ChorusError, match="config.json"):
        load_model(tmp_path)
    save_model(model, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["encoder"]["channels"] = [16, 16, 48]
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="of other shape"):
        load_model(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"short")
    with pytest.raises(InputError, match="model's weights"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="config of a scene encoder"):
        load_model(tmp_path)
    with pytest.raises(InputError, match="9 input channels"):
        ModelConfig(encoder=SIZE, inputs=InputConfig(variant="points", grid_size=0.1))


def test_rows_of_a_file_of_features_are_those_of_the_scenes_file(model, tmp_path, make_room):
    room = make_room(300)
    room.quats[[7, 50]] = 0
    room.log_scales[9, 1] = 95
    write_scene(tmp_path / "room.ply", room)
    scene = chorus.read(tmp_path / "room.ply", up="keep", unit="m")
    encoder = SceneEncoder(model)
    encoder.encode_to_files(scene, {"lang": tmp_path / "lang.safetensors"})
    found = read_features(tmp_path / "lang.safetensors")
    kept = torch.ones(300, dtype=torch.bool)
    kept[[7, 9, 50]] = False
    assert len(scene) == 297 and torch.equal(found.valid, kept)
    assert found.features.isfinite().all() and (found.features[~kept] == 0).all()
    assert torch.equal(found.features[kept], encoder.encode(scene).lang.half().float())


def test_encoder_and_features_print_one_line_of_what_they_are(model, make_room):
    encoder = SceneEncoder(model, text=lambda prompts: torch.eye(len(prompts), 12))
    size = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert repr(encoder) == (
        f"SceneEncoder(splats in 0.1 m voxels; {size:.2f} M parameters on cpu; "
        "gives lang 12, object 8, upcast 64, tokens 32; can be asked in words)"
    )
    said = repr(encoder.encode(make_room(300), outputs=("lang", "tokens")))
    assert said.startswith("SceneFeatures(300 Gaussians x lang 12; ") and "cells x tokens 32, tokens_xyz 3" in said
    assert said.endswith("float32 on cpu; can be asked in words)") and "tensor" not in said
    silent = SceneEncoder(model)
    assert repr(silent).endswith("has no words)")
    assert repr(silent.encode(make_room(300), outputs=("lang",))).endswith("x lang 12; float32 on cpu)")
