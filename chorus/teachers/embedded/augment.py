"""What happens to a training view before the trunk sees it.

At use the teachers look at images rendered from Gaussians: softer than a photograph, noisy in colour, blotchy where few
views looked. So the training views are resampled, tinted, quantised and made noisy at random. Everything draws from one
generator: the same seed, the same batch.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

_BLOCK = 8  # pixels a side of JPEG's transform


def augment(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """images [B, H, W, 3] in 0..1 and integer labels [B, H, W, L] -> the same shapes, each view changed in its own
    way."""
    changed = [_one(image, label, generator) for image, label in zip(images, labels, strict=True)]
    return torch.stack([image for image, _ in changed]), torch.stack([label for _, label in changed])


def _one(image: Tensor, label: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    x, label = _zoom(
        image, label, zoom=uniform(0.8, 1.8), across=uniform(0, 1), down=uniform(0, 1), flip=uniform(0, 1) < 0.5
    )
    x = _color(
        x,
        exposure=uniform(-0.4, 0.4),
        contrast=uniform(0.75, 1.25),
        saturation=uniform(0.5, 1.4),
        tint=torch.rand(3, generator=generator),
    )
    if uniform(0, 1) < 0.6:
        x = _soften(x, across=uniform(1, 3), down=uniform(1, 3))
    if uniform(0, 1) < 0.4:
        x = _blotch(x, torch.randn(3, 12, 16, generator=generator) * uniform(0, 0.06))
    if uniform(0, 1) < 0.6:
        x = x + torch.randn(x.shape, generator=generator) * uniform(0, 0.04)
    if uniform(0, 1) < 0.3:
        x = quantize(x, step=uniform(0.02, 0.12))
    return x.clamp(0, 1).permute(1, 2, 0), label


def _zoom(
    image: Tensor, label: Tensor, *, zoom: float, across: float, down: float, flip: bool
) -> tuple[Tensor, Tensor]:
    """A window 1/zoom of the view's size, brought back to it; below 1 the view shrinks and its edges are mirrored
    around it.

    across, down: where the window lies, 0..1. Returns image [3, H, W] and label [H, W, L].
    """
    height, width = image.shape[:2]
    size = 1 / zoom
    x = torch.linspace(-size, size, width) + (1 - size) * (2 * across - 1)
    y = torch.linspace(-size, size, height) + (1 - size) * (2 * down - 1)
    x = -x if flip else x
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)  # [H, W, 2]
    moved = F.grid_sample(
        image.permute(2, 0, 1)[None], grid[None], mode="bilinear", padding_mode="reflection", align_corners=False
    )[0]
    cols = _mirrored(((x + 1) * width / 2).floor().long(), width)
    rows = _mirrored(((y + 1) * height / 2).floor().long(), height)
    return moved, label[rows][:, cols]


def _mirrored(index: Tensor, size: int) -> Tensor:
    index = torch.where(index < 0, -1 - index, index)
    return torch.where(index >= size, 2 * size - 1 - index, index).clamp(0, size - 1)


def _color(x: Tensor, *, exposure: float, contrast: float, saturation: float, tint: Tensor) -> Tensor:
    """x [3, H, W]. exposure: natural logarithm of the gain; tint [3] in 0..1: +-10 % a channel."""
    x = x * (math.exp(exposure) * (0.9 + 0.2 * tint))[:, None, None]
    gray = x.mean(dim=0, keepdim=True)
    x = gray + (x - gray) * saturation
    middle = gray.mean()
    return middle + (x - middle) * contrast


def _soften(x: Tensor, *, across: float, down: float) -> Tensor:
    """Resampled through a grid coarser by these factors: the blur of splats wider than a pixel."""
    height, width = x.shape[-2:]
    small = F.interpolate(
        x[None], (round(height / down), round(width / across)), mode="bilinear", antialias=True, align_corners=False
    )
    return F.interpolate(small, (height, width), mode="bilinear", align_corners=False)[0]


def _blotch(x: Tensor, noise: Tensor) -> Tensor:
    """noise [3, h, w] laid over the view: colours wrong over patches, as where few views saw a surface."""
    return x + F.interpolate(noise[None], x.shape[-2:], mode="bicubic", align_corners=False)[0]


def quantize(x: Tensor, *, step: float) -> Tensor:
    """x [3, H, W], sides whole multiples of 8 (others are left alone), rounded in JPEG's 8x8 cosine basis, coarser at
    high frequencies."""
    height, width = x.shape[-2:]
    if height % _BLOCK or width % _BLOCK:
        return x
    k = torch.arange(_BLOCK, dtype=torch.float32)
    basis = torch.cos(math.pi / _BLOCK * (k[None] + 0.5) * k[:, None]) * math.sqrt(2 / _BLOCK)  # [frequency, position]
    basis[0] /= math.sqrt(2)
    steps = step * (1 + k[:, None] + k[None])
    blocks = x.reshape(3, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK).transpose(2, 3)  # [3, h, w, 8, 8]
    rounded = torch.round(basis @ blocks @ basis.T / steps) * steps
    return (basis.T @ rounded @ basis).transpose(2, 3).reshape(3, height, width)
