from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chorus.encoder.encode import SceneFeatures
from chorus.errors import InputError
from chorus.io import read_ply, write_ply
from chorus.moving import move
from chorus.scene import GaussianScene, scene_from_colors
from chorus.view import edit
from tests.unit.view.sayings import said_of

NAMES = ("a floor", "a chair", "a lamp")


class Heights:
    """An encoder whose language is the height of a Gaussian: floor, chair, lamp."""

    config = SimpleNamespace(text="embedded")

    def text(self, prompts):
        known = said_of(*(name.removeprefix("a ") for name in NAMES))
        return torch.stack([torch.eye(3)[known[p]] if p in known else torch.tensor([-1.0, -1, -1]) for p in prompts])

    def encode(self, scene, outputs=("lang",)):
        kind = torch.bucketize(scene.means[:, 2].contiguous(), torch.tensor([0.3, 1.5]))
        return SceneFeatures({"lang": torch.eye(3)[kind]}, self.text)


@pytest.fixture
def scene() -> GaussianScene:
    draw = np.random.default_rng(0)
    floor = draw.uniform((0, 0, 0), (4, 3, 0.02), (400, 3))
    chairs = [draw.normal((x, 1, 0.6), 0.05, (50, 3)) for x in (1, 3)]
    lamp = draw.normal((2, 1, 2.2), 0.05, (50, 3))
    means = torch.from_numpy(np.concatenate([floor, *chairs, lamp])).float()
    n = len(means)
    return scene_from_colors(
        means, torch.tensor([[1.0, 0, 0, 0]]).expand(n, 4), torch.full((n, 3), 0.05), torch.full((n,), 0.9), means * 0
    )


def test_every_gaussian_is_labelled_and_each_chair_is_its_own(tmp_path, scene):
    write_ply(tmp_path / "labelled.ply", edit.label(scene, Heights(), NAMES))
    labels = read_ply(tmp_path / "labelled.ply").labels
    assert labels.names == NAMES
    assert labels.label.tolist() == [0] * 400 + [1] * 100 + [2] * 50
    assert float(labels.score.min()) > 0.99
    first, second, lamp = (set(labels.instance[part].tolist()) for part in np.split(np.arange(400, 550), [50, 100]))
    assert len(first - {-1}) == len(second - {-1}) == len(lamp - {-1}) == 1
    assert len({min(group - {-1}) for group in (first, second, lamp)}) == 3


def test_labels_need_names_to_choose_from(scene):
    with pytest.raises(InputError, match="at least two names"):
        edit.label(scene, Heights(), ("a chair", "a chair"))


@pytest.mark.parametrize("turn", [np.eye(3), np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0.0]])])
def test_a_box_is_in_the_files_coordinates(scene, turn):
    turned = move(scene, turn=turn, scale=3.0)
    part = edit.crop_box(turned, (4, 2, 1.0, 2, 0, 0.1))
    assert len(part) == 50 and np.allclose(edit.file_means(part).mean(axis=0), [3, 1, 0.6], atol=0.05)


@pytest.mark.parametrize("box", [(0, 0, 0), (9, 9, 9, 8, 8, 8), (0, 0, 0, 1, 1, float("nan"))])
def test_boxes_that_hold_nothing(scene, box):
    with pytest.raises(InputError, match="--box"):
        edit.crop_box(scene, box)


def test_an_object_is_cut_out_and_what_is_not_there_is_said(scene):
    part = edit.crop_object(scene, Heights(), "a lamp")
    assert 40 <= len(part) <= 50 and float(part.means[:, 2].min()) > 1.5
    with pytest.raises(InputError, match="nothing answers"):
        edit.crop_object(scene, Heights(), "a piano")
