"""3x3x3 submanifold convolution: outputs only where there are inputs."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chorus_kernels import submanifold_conv


class SubmanifoldConv(nn.Module):
    """Convolution over a neighbour table, weights in the layout [out, kx, ky, kz, in] of the released checkpoints."""

    def __init__(self, channels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 3, 3, 3, channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        bound = (27 * channels) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor, table: Tensor) -> Tensor:  # [M, C], [27, M] -> [M, C]
        return submanifold_conv(x, self.weight, table, self.bias)
