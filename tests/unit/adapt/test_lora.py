"""Low-rank adapters on disk, against the package whose files they are."""

import importlib
import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

import chorus
from chorus.adapt.lora import LowRank, add_low_rank, fold_low_rank, save_low_rank
from chorus.encoder.adapter import CONFIG, WEIGHTS, apply_adapter, content_of
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel, save_model
from chorus.encoder.inputs import InputConfig, voxelize
from chorus.encoder.model import EncoderConfig
from chorus.errors import InputError, MissingError
from chorus.teachers.torchvision_shim import make_torchvision_importable

SIZE = EncoderConfig(channels=(16, 16, 32), depths=(0, 1, 1), heads=(1, 1, 2), window=64, drop_path=0.0)
HEADS = {"dino": HeadConfig(channels=8, width=12), "object": HeadConfig(channels=6, width=12)}


@pytest.fixture(scope="module")
def peft():
    make_torchvision_importable()  # peft imports transformers, which imports torchvision
    return importlib.import_module("peft")


def model_of(seed: int) -> SceneModel:
    torch.manual_seed(seed)
    return SceneModel(ModelConfig(encoder=SIZE, inputs=InputConfig(grid_size=0.1), heads=HEADS)).eval()


@pytest.fixture
def adapted(tmp_path) -> SceneModel:
    """A model with low-rank parts and heads that have learnt something, its adapter in tmp_path/adapter."""
    base, model = model_of(0), model_of(0)
    add_low_rank(model, rank=3, alpha=6.0, seed=1)
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, LowRank):
                module.up.copy_(torch.randn(module.up.shape, generator=draw) * 0.1)
        for parameter in model.heads.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=draw) * 0.1)
    save_low_rank(model, tmp_path / "adapter", base=content_of(base))
    return model


def outputs(model, make_room) -> dict[str, torch.Tensor]:
    voxels = voxelize(make_room(800), InputConfig(grid_size=0.1))
    with torch.no_grad():
        upcast = model.encoder(voxels.grid, voxels.feat, torch.tensor([len(voxels)])).upcast
        return {"upcast": upcast, **{role: model.heads[role](upcast) for role in HEADS}}


def test_peft_loads_an_adapter_and_answers_as_we_do(peft, adapted, tmp_path, make_room):
    theirs = peft.PeftModel.from_pretrained(model_of(0), str(tmp_path / "adapter")).eval()
    kept = set(load_file(tmp_path / "adapter" / WEIGHTS))
    assert kept == set(peft.get_peft_model_state_dict(theirs))  # PEFT found a place for each
    ours, found, base = (outputs(model, make_room) for model in (adapted, theirs, model_of(0)))
    for name in ours:
        torch.testing.assert_close(found[name], ours[name], rtol=1e-5, atol=1e-5)
        assert (base[name] - ours[name]).abs().max() > 0.05


def test_an_adapter_of_peft_is_read(peft, tmp_path, make_room):
    config = peft.LoraConfig(r=2, lora_alpha=5, target_modules=["qkv"], use_rslora=True, init_lora_weights=False)
    theirs = peft.get_peft_model(model_of(0), config).eval()
    theirs.save_pretrained(str(tmp_path))
    model = model_of(0)
    apply_adapter(model, tmp_path)
    torch.testing.assert_close(outputs(model, make_room), outputs(theirs, make_room), rtol=1e-5, atol=1e-5)


def test_one_base_and_an_adapter_are_the_adapted_model(adapted, tmp_path):
    save_model(model_of(0), tmp_path / "base")
    loaded = chorus.load(tmp_path / "base", adapter=tmp_path / "adapter").model
    fold_low_rank(adapted)
    for name, tensor in adapted.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_what_does_not_fit_is_refused_by_name(adapted, tmp_path):
    def spoil(**changes):
        folder = tmp_path / "spoilt"
        shutil.copytree(tmp_path / "adapter", folder, dirs_exist_ok=True)
        config = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(config | changes))
        return folder

    with pytest.raises(MissingError, match="a PEFT adapter"):
        apply_adapter(model_of(0), tmp_path)
    with pytest.raises(InputError, match="expected an adapter of this model"):
        apply_adapter(model_of(1), tmp_path / "adapter")
    for changes in ({"peft_type": "IA3"}, {"use_dora": True}, {"bias": "all"}, {"rank_pattern": {"a": 2}}):
        with pytest.raises(InputError, match=f"expected {next(iter(changes))}: "):
            apply_adapter(model_of(0), spoil(**changes))
    with pytest.raises(InputError, match="expected r and lora_alpha"):
        apply_adapter(model_of(0), spoil(r=0))
    tensors = load_file(tmp_path / "adapter" / WEIGHTS)
    other = tmp_path / "other"
    shutil.copytree(tmp_path / "adapter", other)
    save_file({name.replace("enc1", "enc7"): tensor for name, tensor in tensors.items()}, other / WEIGHTS)
    with pytest.raises(InputError, match="enc7.block0.attn.qkv.weight .* got no such parameter"):
        apply_adapter(model_of(0), other)
    (other / WEIGHTS).write_bytes(b"short")
    with pytest.raises(InputError, match="the adapter's weights"):
        apply_adapter(model_of(0), other)
    smaller = SceneModel(replace(model_of(0).config, heads={"dino": HEADS["dino"]}))
    save_file(tensors, other / WEIGHTS)  # without the base's content, as PEFT itself writes it
    with pytest.raises(InputError, match="heads.object.* got no such parameter"):
        apply_adapter(smaller, other)
