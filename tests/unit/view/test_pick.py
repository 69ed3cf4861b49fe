"""Picking against the renderer: what a ray through a pixel meets is where that pixel's depth is."""

import numpy as np
import pytest
import torch

from chorus.cameras import Cameras, look_at, pixel_rays
from chorus.scene import scene_from_colors
from chorus.view.pick import pick
from chorus_kernels import Views, rasterize

SIDE = 64


def scattered(seed: int, count: int = 300):
    draw = np.random.default_rng(seed)
    return scene_from_colors(
        torch.from_numpy(draw.uniform(-1, 1, (count, 3))).float(),
        torch.from_numpy(draw.normal(size=(count, 4))).float(),
        torch.from_numpy(draw.uniform(0.03, 0.2, (count, 3))).float(),
        torch.from_numpy(draw.uniform(0.3, 0.99, count)).float(),
        torch.from_numpy(draw.uniform(0, 1, (count, 3))).float(),
    )


def test_what_is_met_first_hides_what_lies_behind():
    means = torch.tensor([[0.0, 0, 2], [0, 0, 4], [0, 0, -3], [1.0, 0, 1]])
    scene = scene_from_colors(
        means, torch.tensor([[1.0, 0, 0, 0]]).expand(4, 4), torch.full((4, 3), 0.1), torch.full((4,), 0.9), means * 0
    )
    hit = pick(scene, np.zeros(3), np.array([0, 0, 7.0]))
    assert hit.row == 0 and hit.distance == pytest.approx(2.0)
    assert hit.position == pytest.approx([0, 0, 2])
    assert pick(scene, np.zeros(3), np.array([0, 0, 1.0]), among=np.array([False, True, True, True])).row == 1
    assert pick(scene, np.zeros(3), np.array([0, 1.0, 0])) is None


def test_faint_gaussians_are_seen_through():
    means = torch.tensor([[0.0, 0, 1], [0, 0, 2], [0, 0, 3]])
    opacities = torch.tensor([0.2, 0.3, 0.8])
    scene = scene_from_colors(
        means, torch.tensor([[1.0, 0, 0, 0]]).expand(3, 4), torch.full((3, 3), 0.1), opacities, means * 0
    )
    assert pick(scene, np.zeros(3), np.array([0, 0, 1.0])).row == 2


@pytest.mark.parametrize("seed", range(4))
def test_rays_agree_with_the_rendered_alpha(seed):
    """Where a pixel is all but opaque a ray meets something, where it is all but clear nothing; and the picture of
    what is nearer than the hit stays below one half."""
    scene = scattered(seed)
    K = np.array([[60.0, 0, SIDE / 2], [0, 60, SIDE / 2], [0, 0, 1]])
    camera = Cameras(
        K=K[None], cam_from_world=look_at(np.array([0, -4.0, 0.5]), np.zeros(3))[None], width=SIDE, height=SIDE
    )
    views = Views(
        torch.from_numpy(camera.cam_from_world).float(), torch.from_numpy(camera.K).float(), width=SIDE, height=SIDE
    )
    out = rasterize(scene.means, scene.unit_quats, scene.scales, scene.opacities, torch.ones(len(scene), 1), views)
    alpha = out.alphas[0].squeeze().numpy()
    draw = np.random.default_rng(seed)
    agree = 0
    pixels = draw.integers(4, SIDE - 4, (120, 2))
    rays = pixel_rays(K, pixels + 0.5) @ camera.world_from_cam[0, :3, :3].T
    for (u, v), ray in zip(pixels, rays, strict=True):
        hit = pick(scene, camera.positions[0], ray)
        if alpha[v, u] > 0.6 or alpha[v, u] < 0.4:
            agree += (hit is not None) == (alpha[v, u] > 0.5)
        else:
            agree += 1
    assert agree >= 114  # the renderer's splats are the flat approximation of a Gaussian's projection
