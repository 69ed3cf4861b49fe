"""Scenes larger than the row budget, cut in space: tiles of whole coarse voxels with a halo around each.

Tiles keep the scene's own grid, so that curves and coarse voxels are those of the whole; only what lies beyond the halo is
unseen. Every coarse voxel belongs to one tile, and a row's features come from the tile that owns it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from chorus.encoder.inputs import Voxels
from chorus.encoder.model import Encoder


class Tile(NamedTuple):
    """rows: [R] voxels to encode, halo included; core: [R] bool, those this tile answers for."""

    rows: Tensor
    core: Tensor


def cut(grid: Tensor, *, max_rows: int, cell: int, halo: int) -> list[Tile]:
    """Halve the grid [M, 3] along its longest side, at multiples of ``cell``, until each core has at most ``max_rows`` rows.

    cell: voxels of the finest grid along a coarsest voxel; halo: voxels added around each core. A single coarse voxel is never cut.
    """
    blocks = torch.div(grid.long(), cell, rounding_mode="floor")
    cores = _halve(blocks, torch.arange(len(grid), device=grid.device), max_rows)
    if len(cores) == 1:
        return [Tile(cores[0], torch.ones(len(grid), dtype=torch.bool, device=grid.device))]
    tiles = []
    for core in cores:
        low, high = blocks[core].amin(dim=0) * cell - halo, (blocks[core].amax(dim=0) + 1) * cell + halo
        near = ((grid >= low) & (grid < high)).all(dim=1)
        owned = torch.zeros_like(near)
        owned[core] = True
        rows = torch.nonzero(near)[:, 0]
        tiles.append(Tile(rows, owned[rows]))
    return tiles


def _halve(blocks: Tensor, rows: Tensor, max_rows: int) -> list[Tensor]:
    low, high = blocks[rows].amin(dim=0), blocks[rows].amax(dim=0)
    axis = int((high - low).argmax())
    if len(rows) <= max_rows or int(high[axis]) == int(low[axis]):
        return [rows]
    values = blocks[rows, axis]
    middle = max(int(values.median()), int(low[axis]) + 1)  # below it, and from it on: both have rows
    return _halve(blocks, rows[values < middle], max_rows) + _halve(blocks, rows[values >= middle], max_rows)


class Encoded(NamedTuple):
    """Up-cast rows in the order of the voxels, and the tokens of the last level."""

    upcast: Tensor  # [M, sum of channels]
    tokens: Tensor  # [T, channels[-1]]
    tokens_grid: Tensor  # [T, 3] int32


@torch.no_grad()
def encode_voxels(encoder: Encoder, voxels: Voxels, *, max_rows: int, halo: int, progress: Callable[[int, int], None] | None = None) -> Encoded:
    """Encode the voxels of one scene, in tiles where there are more than ``max_rows``. progress: called with tiles done and in all."""
    tiles = cut(voxels.grid, max_rows=max_rows, cell=2 ** (len(encoder.config.depths) - 1), halo=halo)
    upcast = voxels.feat.new_empty(len(voxels), encoder.config.width)
    tokens, cells = [], []
    for done, (rows, core) in enumerate(tiles):
        out = encoder(voxels.grid[rows], voxels.feat[rows], torch.tensor([len(rows)], device=rows.device))
        upcast[rows[core]] = out.upcast[core]
        own = _owned(out.tokens_grid, torch.div(voxels.grid[rows[core]], 2 ** (len(encoder.config.depths) - 1), rounding_mode="floor"))
        tokens.append(out.tokens[own])
        cells.append(out.tokens_grid[own])
        if progress is not None:
            progress(done + 1, len(tiles))
    return Encoded(upcast, torch.cat(tokens), torch.cat(cells))


def _owned(cells: Tensor, core: Tensor) -> Tensor:
    """[T] bool: cells [T, 3] that occur among the core's [R, 3]."""
    size = int(torch.cat([cells, core]).max()) + 1
    keys = [(x[:, 0].long() * size + x[:, 1]) * size + x[:, 2] for x in (cells, core)]
    return torch.isin(keys[0], keys[1])
