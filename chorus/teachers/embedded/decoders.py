"""A light decoder from the trunk's pyramid to one feature map at stride 8.

Coarse first: context is gathered at stride 16 (with stride 32 and the image's mean poured in), where positions are few
and width is cheap, then carried to stride 8 and sharpened there with strides 4 and 8. Blocks are ConvNeXt's (Liu et al.
2022): depthwise 7x7, layer norm, a GELU layer twice as wide, a scaled residual sum. No batch statistics anywhere, so
training and use compute the same thing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chorus.teachers.embedded.trunk import CHANNELS, Pyramid

DROPPED = 0.1  # share of the trunk's channels hidden from a decoder in a training step


@dataclass(frozen=True, kw_only=True)
class DecoderSize:
    """Width and number of blocks at stride 16 (coarse) and 8 (fine); dim: channels of the output."""

    dim: int
    coarse_width: int
    coarse_blocks: int
    fine_width: int
    fine_blocks: int

    def to_json(self) -> dict:
        return asdict(self)


class Block(nn.Module):
    """[B, C, h, w] -> [B, C, h, w]."""

    def __init__(self, width: int, *, kernel: int = 7, expansion: int = 2):
        super().__init__()
        self.spatial = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, expansion * width)
        self.reduce = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.spatial(x).permute(0, 2, 3, 1))  # [B, h, w, C]
        y = self.reduce(F.gelu(self.expand(y))) * self.scale
        return x + y.permute(0, 3, 1, 2)


class Decoder(nn.Module):
    """Pyramid of the trunk -> unit vectors [B, dim, H / 8, W / 8]."""

    def __init__(self, size: DecoderSize):
        super().__init__()
        self.size = size
        for stride, channels in CHANNELS.items():  # the training images' statistics: part of the weights, not trained
            self.register_buffer(f"mean{stride}", torch.zeros(channels))
            self.register_buffer(f"std{stride}", torch.ones(channels))
        coarse, fine = size.coarse_width, size.fine_width
        self.drop = nn.Dropout2d(DROPPED)
        self.from32 = nn.Conv2d(CHANNELS[32], coarse, 1)
        self.from16 = nn.Conv2d(CHANNELS[16], coarse, 1)
        self.whole = nn.Linear(CHANNELS[32], coarse)
        self.coarse = nn.Sequential(*(Block(coarse) for _ in range(size.coarse_blocks)))
        self.down = nn.Conv2d(coarse, fine, 1)
        self.from8 = nn.Conv2d(CHANNELS[8], fine, 1)
        self.from4 = nn.Conv2d(CHANNELS[4], fine, 2, stride=2)
        self.fine = nn.Sequential(*(Block(fine) for _ in range(size.fine_blocks)))
        self.norm = nn.LayerNorm(fine)
        self.out = nn.Linear(fine, size.dim)

    def set_statistics(self, statistics: dict[int, tuple[Tensor, Tensor]]) -> None:
        """stride -> mean [C] and standard deviation [C] of the trunk's features on the training images."""
        for stride, (mean, std) in statistics.items():
            getattr(self, f"mean{stride}").copy_(mean)
            getattr(self, f"std{stride}").copy_(std)

    def forward(self, pyramid: Pyramid) -> Tensor:
        """The trunk's levels [B, C, H / stride, W / stride] -> unit vectors [B, dim, H / 8, W / 8]."""
        level = {stride: self._standardized(pyramid[stride], stride) for stride in CHANNELS}
        whole = self.whole(level[32].mean(dim=(2, 3)))[:, :, None, None]
        x = self.coarse(self.from16(level[16]) + _upsample(self.from32(level[32])) + whole)
        x = self.fine(_upsample(self.down(x)) + self.from8(level[8]) + self.from4(level[4]))
        x = self.out(self.norm(x.permute(0, 2, 3, 1)))  # [B, h, w, dim]
        return F.normalize(x, dim=-1).permute(0, 3, 1, 2)

    def _standardized(self, x: Tensor, stride: int) -> Tensor:
        mean, std = getattr(self, f"mean{stride}"), getattr(self, f"std{stride}")
        return self.drop((x - mean[:, None, None]) / std[:, None, None])


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
