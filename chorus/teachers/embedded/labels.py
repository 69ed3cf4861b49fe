"""Labels as the losses read them: laid on a teacher's patches and counted there."""

from __future__ import annotations

import torch
from torch import Tensor

from chorus.teachers.embedded.trunk import PATCH

IGNORED = 0  # id of pixels without supervision


def on_grid(labels: Tensor, rows: int, cols: int) -> Tensor:
    """[V, H, W, ...] -> [V, rows * 8, cols * 8, ...]: labels by nearest pixel, so that a teacher's patches are cells of
    8 pixels whatever its grid."""
    height, width = labels.shape[1:3]
    y, x = (
        ((torch.arange(cells * PATCH) + 0.5) * size / (cells * PATCH)).long()
        for cells, size in ((rows, height), (cols, width))
    )
    return labels[:, y[:, None], x]


def patches(x: Tensor) -> Tensor:
    """[B, H, W] -> [B, H / 8, W / 8, 64]: the pixels under each cell of the feature map."""
    batch, height, width = x.shape
    x = x.reshape(batch, height // PATCH, PATCH, width // PATCH, PATCH)
    return x.transpose(2, 3).flatten(3)


def shares_of(ids: Tensor, count: int) -> Tensor:
    """ids [B, H, W] -> [B, h, w, count]: the share of each patch's pixels that bear each id, IGNORED pixels in none."""
    cells = patches(ids).long()
    shares = torch.zeros(*cells.shape[:3], count).scatter_add_(3, cells, torch.ones(cells.shape))
    shares[..., IGNORED] = 0
    return shares / cells.shape[-1]


def main_instance(instances: Tensor) -> tuple[Tensor, Tensor]:
    """instances [B, H, W] -> the commonest id of each patch [B, h, w] and its share of the pixels [B, h, w]."""
    cells = patches(instances)
    main = cells.mode(dim=-1).values
    return main, (cells == main[..., None]).float().mean(dim=-1)
