"""The encoder on a card: the same features as on the CPU."""

import pytest
import torch

from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel
from chorus.encoder.encode import SceneEncoder
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import EncoderConfig

SIZE = EncoderConfig(channels=(16, 32, 64), depths=(1, 2, 1), heads=(1, 2, 4), window=64, drop_path=0.0)


def model() -> SceneModel:
    torch.manual_seed(0)
    heads = {"lang": HeadConfig(channels=12, width=48)}
    return SceneModel(ModelConfig(encoder=SIZE, inputs=InputConfig(grid_size=0.1), heads=heads)).eval()


@pytest.fixture
def moved(make_room):
    """Features on the CPU and with the pyramid and the convolution of the card's path."""
    room = make_room(1500)
    return room, SceneEncoder(model()).encode(room, outputs=("lang", "upcast", "tokens"))


def test_the_path_without_native_ops_gives_the_same(moved, monkeypatch):
    from chorus_kernels import conv_cuda

    room, expected = moved
    monkeypatch.setattr("chorus.encoder.sparse_conv.submanifold_conv", conv_cuda.submanifold_conv)
    monkeypatch.setattr("chorus.encoder.model.segment_reduce", conv_cuda.segment_reduce)
    found = SceneEncoder(model()).encode(room, outputs=("lang", "upcast", "tokens"))
    for name in ("lang", "upcast", "tokens"):
        torch.testing.assert_close(found[name], expected[name], rtol=1e-3, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("half", [False, True])
def test_on_a_card(moved, half):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA")
    room, expected = moved
    found = SceneEncoder(model().cuda(), half=half).encode(room, outputs=("lang", "upcast", "tokens"))
    for name in ("lang", "upcast", "tokens"):
        assert found[name].device.type == "cpu"
        assert float((found[name] - expected[name]).norm() / expected[name].norm()) < (0.03 if half else 1e-3)


@pytest.mark.gpu
def test_training_on_a_card_reaches_every_parameter(moved):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA")
    encoder = model().encoder.cuda().train()
    cells = torch.randperm(20**3)[:500]
    grid = torch.stack([cells // 400, cells // 20 % 20, cells % 20], dim=1)
    encoder(grid, torch.randn(500, 11, device="cuda"), torch.tensor([500])).upcast.square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in encoder.parameters())
