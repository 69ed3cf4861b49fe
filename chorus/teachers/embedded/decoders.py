"""A light decoder from the trunk's pyramid to one feature map on the patch grid.

Coarse first: context is gathered at the trunk's stride 32 (the image's mean poured in), where positions are few and width is cheap, then
carried to the patch grid, stride 16 of the enlarged image, and sharpened there with strides 16 and 8. Blocks are ConvNeXt's (Liu et al.
2022): depthwise 7x7, layer norm, a GELU layer twice as wide, a scaled residual sum. No batch statistics anywhere, so training and use
compute the same thing.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chorus.teachers.embedded.trunk import CHANNELS, NAMED, Pyramid

DROPPED = 0.1  # share of the trunk's channels hidden from a decoder in a training step


@dataclass(frozen=True, kw_only=True)
class DecoderSize:
    """Width and number of blocks at stride 32 (coarse) and 16 (fine); dim: channels of the output; named: whether the trunk's own names for
    things come in, and go out again added to the output, in which case dim is that of words."""

    dim: int
    named: bool
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
    """Pyramid of the trunk -> unit vectors [B, dim, h, w] on the patch grid."""

    def __init__(self, size: DecoderSize):
        super().__init__()
        self.size = size
        self.levels = [level for level in CHANNELS if level != NAMED or size.named]
        for stride, channels in ((level, CHANNELS[level]) for level in self.levels):  # the training images' statistics: part of the weights, not trained
            self.register_buffer(f"mean{stride}", torch.zeros(channels))
            self.register_buffer(f"std{stride}", torch.ones(channels))
        coarse, fine = size.coarse_width, size.fine_width
        self.drop = nn.Dropout2d(DROPPED)
        self.from32 = nn.Conv2d(CHANNELS[32], coarse, 1)
        self.whole = nn.Linear(CHANNELS[32], coarse)
        self.coarse = nn.Sequential(*(Block(coarse) for _ in range(size.coarse_blocks)))
        self.down = nn.Conv2d(coarse, fine, 1)
        self.from16 = nn.Conv2d(CHANNELS[16], fine, 1)
        self.from8 = nn.Conv2d(CHANNELS[8], fine, 2, stride=2)
        self.fine = nn.Sequential(*(Block(fine) for _ in range(size.fine_blocks)))
        self.norm = nn.LayerNorm(fine)
        self.out = nn.Linear(fine, size.dim)
        if size.named:
            self.from_names = nn.Conv2d(CHANNELS[NAMED], coarse, 1)
            self.gate = nn.Parameter(torch.tensor([0.1]))

    def set_statistics(self, statistics: dict[int, tuple[Tensor, Tensor]]) -> None:
        """stride -> mean [C] and standard deviation [C] of the trunk's features on the training images."""
        for stride in self.levels:
            getattr(self, f"mean{stride}").copy_(statistics[stride][0])
            getattr(self, f"std{stride}").copy_(statistics[stride][1])

    def forward(self, pyramid: Pyramid) -> Tensor:
        level = {stride: self._standardised(pyramid[stride], stride) for stride in self.levels}
        x = self.from32(level[32]) + self.whole(level[32].mean(dim=(2, 3)))[:, :, None, None]
        x = x + self.from_names(level[NAMED]) if self.size.named else x
        x = _upsample(self.down(self.coarse(x))) + self.from16(level[16]) + self.from8(level[8])
        x = self.out(self.norm(self.fine(x).permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        x = x + self.gate * _upsample(level[NAMED]) if self.size.named else x
        return F.normalize(x, dim=1)

    def _standardised(self, x: Tensor, stride: int) -> Tensor:
        mean, std = getattr(self, f"mean{stride}"), getattr(self, f"std{stride}")
        return self.drop((x - mean[:, None, None]) / std[:, None, None])


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
