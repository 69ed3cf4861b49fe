import pytest
import torch

from chorus.scene import scene_from_colors
from chorus.splat.rasterize import render


@pytest.mark.gpu
def test_gsplat_and_the_native_rasterizer_agree(room):
    pytest.importorskip("gsplat")
    draw = torch.Generator().manual_seed(0)
    u = torch.rand(500, 14, generator=draw)
    means = u[:, :3] * torch.tensor([3.6, 2.6, 2.0]) - torch.tensor([1.8, 1.3, -0.2])
    scene = scene_from_colors(means, u[:, 3:7] - 0.5, u[:, 7:10] * 0.1 + 0.02, u[:, 10] * 0.9 + 0.05, u[:, 11:])
    cameras, background = room.cameras.select([0, 3]), torch.tensor([0.2, 0.4, 0.6])
    ours, theirs = (
        render(scene, cameras, background=background),
        render(scene.to("cuda"), cameras, background=background),
    )
    for name in ("colors", "depth", "alpha"):
        assert (getattr(ours, name) - getattr(theirs, name).cpu()).abs().mean() < 1e-3, name
