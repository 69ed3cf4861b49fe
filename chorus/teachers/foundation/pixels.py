"""From images to what a network reads: resized with anti-aliasing, then normalised."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HALF_MEAN, HALF_STD = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def to_pixels(images: Tensor, size: tuple[int, int], *, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Images [B, H, W, 3] in 0..1 to normalised pixels [B, 3, h, w] of ``size`` (h, w), resampled bicubically (aspect
    ratio not kept)."""
    pixels = images.permute(0, 3, 1, 2).float()
    if tuple(pixels.shape[-2:]) != tuple(size):
        pixels = F.interpolate(pixels, size=size, mode="bicubic", align_corners=False, antialias=True).clamp(0.0, 1.0)
    shift = torch.tensor(mean, device=pixels.device)[:, None, None]
    scale = torch.tensor(std, device=pixels.device)[:, None, None]
    return (pixels - shift) / scale


def whole_patches(height: int, width: int, *, patch: int, long_side: int = 0) -> tuple[int, int]:
    """The image size (h, w) nearest to the given one that is cut into whole patches; its longer side is ``long_side``
    pixels when set.

    Rounding each side by itself keeps patch k at k / rows of the image's height, so patch maps and images share their
    corners.
    """
    factor = long_side / max(height, width) if long_side else 1.0
    rows, cols = (max(1, round(side * factor / patch)) for side in (height, width))
    return rows * patch, cols * patch
