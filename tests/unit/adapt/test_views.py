from dataclasses import replace

import numpy as np
import pytest
import torch

from chorus.adapt.views import overlapping, sample_views
from chorus.errors import InputError
from chorus.splat.rasterize import views_of
from chorus_kernels import patch_weights


@pytest.fixture
def room(make_room):
    room = make_room(8000, size=(5.0, 4.0, 2.5))
    return replace(room, opacity_logits=torch.full((8000,), 3.0))


def weights_of(room, cameras):
    scene = room.means, room.unit_quats, room.scales * 2, room.opacities
    return patch_weights(*scene, views_of(cameras), patch_rows=6, patch_cols=8)


def test_views_stand_in_free_space_at_eye_height(room):
    cameras = sample_views(room, places=4, clearance=0.5, width=64, height=48)
    assert 8 <= len(cameras) <= 32
    eyes = torch.tensor(np.unique(cameras.positions.round(6), axis=0))
    assert len(eyes) == 4
    assert torch.cdist(eyes.float(), room.means).min() > 0.4
    assert eyes[:, 2].min() > 0.7 and eyes[:, 2].max() < 2.0
    again = sample_views(room, places=4, clearance=0.5, width=64, height=48)
    assert np.array_equal(cameras.cam_from_world, again.cam_from_world)


def test_nothing_outside_the_room(room):
    """An L: the missing corner is inside the bounding box and outside the walls."""
    corner = (room.means[:, 0] > 0.5) & (room.means[:, 1] > 0)
    cameras = sample_views(room.select(~corner), places=8, clearance=0.3, width=64, height=48)
    assert not ((cameras.positions[:, 0] > 0.8) & (cameras.positions[:, 1] > 0.3)).any()


def test_views_that_overlap_are_paired(room):
    cameras = sample_views(room, places=2, width=64, height=48)
    weights = weights_of(room, cameras)
    groups = overlapping(weights, torch.arange(len(cameras) + 1) * (weights.shape[1] // len(cameras)), most=3)
    assert all(view in group.tolist() and len(group) == 3 for view, group in enumerate(groups))
    forward = cameras.cam_from_world[:, 2, :3]
    others = np.mean([forward[v] @ forward[o] for v, group in enumerate(groups) for o in group.tolist() if o != v])
    assert others > np.mean(forward @ forward.T) + 0.2


def test_a_scene_without_free_space(room):
    with pytest.raises(InputError, match="free space"):
        sample_views(replace(room, means=room.means * 0.1))
