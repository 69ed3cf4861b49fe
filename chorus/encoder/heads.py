"""One head per teacher, and the way back from the standardised space it was trained in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chorus.encoder.linear import in_row_blocks, linear


class Head(nn.Sequential):
    """LN -> Linear(width) -> GELU -> Linear(C): up-cast features to a teacher's standardised features."""

    def __init__(self, in_channels: int, width: int, out_channels: int):
        super().__init__(
            nn.LayerNorm(in_channels), nn.Linear(in_channels, width), nn.GELU(), nn.Linear(width, out_channels)
        )
        self.width, self.channels = width, out_channels

    def hidden(self, x: Tensor) -> Tensor:  # [N, in] -> [N, width]
        """What the last Linear reads: rendering commutes with it (see chorus.adapt)."""
        return linear(self[0](x), self[1], gelu=True)

    def forward(self, x: Tensor) -> Tensor:  # [N, in] -> [N, C]
        return in_row_blocks(lambda rows: linear(self.hidden(rows), self[3]), x, width=self.width)


class Space(nn.Module):
    """The affine map from a teacher's standardised space to its own: x = x~ M + mean (PHI-S inverted: M = phi H
    U^T)."""

    matrix: Tensor  # [C, C]
    mean: Tensor  # [C]

    def __init__(self, channels: int):
        super().__init__()
        # torch.eye on the meta device, where a model is checked before it is read, imports its compiler: a second
        self.register_buffer("matrix", torch.zeros(channels, channels).fill_diagonal_(1.0))
        self.register_buffer("mean", torch.zeros(channels))

    @torch.no_grad()
    def set(self, matrix: Tensor, mean: Tensor) -> None:
        """matrix: [C, C], mean: [C]."""
        self.matrix.copy_(matrix)
        self.mean.copy_(mean)

    def forward(self, x: Tensor) -> Tensor:  # [N, C]
        return in_row_blocks(lambda rows: rows @ self.matrix + self.mean, x, width=len(self.mean))
