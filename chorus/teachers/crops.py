"""Many crops of one image at once, each resized with anti-aliasing: two small matrix products instead of a loop."""

from __future__ import annotations

import torch
from torch import Tensor


def crop_batch(image: Tensor, boxes: Tensor, size: tuple[int, int], *, masks: Tensor | None = None) -> Tensor:
    """[M, h, w, 3]: the boxes [M, 4] (x1 y1 x2 y2, half open, pixels) cut out of image [H, W, 3] and resized to
    ``size`` (h, w).

    masks [M, H, W] bool: what lies outside a crop's mask is black. Each crop equals ``interpolate(bilinear,
    antialias=True)`` of the cut.
    """
    height, width = image.shape[:2]
    down = _resampling(boxes[:, 1], boxes[:, 3], size[0], height).to(image)  # [M, h, H]
    across = _resampling(boxes[:, 0], boxes[:, 2], size[1], width).to(image)  # [M, w, W]
    planes = (
        image.permute(2, 0, 1)[None] if masks is None else image.permute(2, 0, 1)[None] * masks[:, None]
    )  # [1 | M, 3, H, W]
    return (down[:, None] @ planes @ across[:, None].transpose(2, 3)).permute(0, 2, 3, 1)


def _resampling(start: Tensor, stop: Tensor, out: int, length: int) -> Tensor:
    """[M, out, length] rows of a triangle filter, as wide as the shrinkage, that read only inside [start, stop) and sum
    to one."""
    start, stop = start.double()[:, None], stop.double()[:, None]
    scale = (stop - start) / out
    center = start + (torch.arange(out, device=start.device) + 0.5) * scale  # [M, out]
    reach = scale.clamp_min(1.0)  # [M, 1]
    pixel = torch.arange(length, device=start.device) + 0.5
    weight = (1.0 - (pixel - center[..., None]).abs() / reach[..., None]).clamp_min(0.0)  # [M, out, length]
    inside = (pixel > start) & (pixel < stop)
    weight = weight * inside[:, None]
    return (weight / weight.sum(dim=2, keepdim=True)).float()
