"""A box room of Gaussians, with the colours of its faces."""

import pytest
import torch

from chorus.scene import GaussianScene


@pytest.fixture
def make_room():
    def make(count: int = 3000, *, size=(3.0, 4.0, 2.5), seed: int = 0) -> GaussianScene:
        draw = torch.Generator().manual_seed(seed)
        size = torch.tensor(size)
        means = torch.rand(count, 3, generator=draw) * size
        axis = torch.randint(3, (count,), generator=draw)
        side = torch.randint(2, (count,), generator=draw).float()
        means[torch.arange(count), axis] = side * size[axis]
        return GaussianScene(
            means=means - torch.tensor([size[0] / 2, size[1] / 2, 0.0]),
            quats=torch.randn(count, 4, generator=draw),
            log_scales=torch.randn(count, 3, generator=draw) * 0.3 - 3.5,
            opacity_logits=torch.randn(count, generator=draw),
            sh=torch.randn(count, 1, 3, generator=draw) * 0.3 + axis[:, None, None] - 1.0,
        )

    return make
