"""A light decoder over an encoder's levels: what is read from features where neighbours and coarser voxels are seen."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chorus.encoder.curves import Pyramid
from chorus.encoder.model import Block, EncoderConfig

WIDTH, HEAD = 64, 16  # channels of every level, and of an attention head


class Decoder(nn.Module):
    """From the coarsest level to the finest: a Linear of each level's features, added to what comes from above, LN,
    GELU, and a block wherever the encoder has one; last a Linear to T classes."""

    def __init__(self, config: EncoderConfig, classes: int, *, width: int = WIDTH):
        super().__init__()
        self.skips = nn.ModuleList(nn.Linear(channels, width) for channels in config.channels)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in config.channels)
        self.blocks = nn.ModuleList(
            Block(width, width // HEAD, mlp_ratio=2.0, drop_path=0.0) if depth else nn.Identity()
            for depth in config.depths
        )
        self.last = nn.Linear(width, classes)

    def forward(self, pyramid: Pyramid, features: list[Tensor]) -> Tensor:
        """[M_0, T] of the finest level's voxels, in the pyramid's order. features: [M_l, C_l] of each level."""
        x: Tensor | None = None
        for number in reversed(range(len(features))):
            level, found = pyramid.levels[number], self.skips[number](features[number])
            if x is not None and level.parent is not None:
                found = found + x.index_select(0, level.parent)
            x = F.gelu(self.norms[number](found))
            if not isinstance(self.blocks[number], nn.Identity):
                x = self.blocks[number](x, level, 0)
        return self.last(torch.empty(0) if x is None else x)
