"""Scenes larger than the row budget, cut in space: tiles of whole coarse voxels with a halo around each.

Tiles keep the scene's own grid, so that curves and coarse voxels are those of the whole; only what lies beyond the halo
is unseen. Every coarse voxel belongs to one tile, and a row's features come from the tile that owns it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from chorus.encoder.inputs import Voxels
from chorus.encoder.model import Encoder, last_level, upcast


class Tile(NamedTuple):
    """rows: [R] voxels to encode, halo included; core: [R] bool, those this tile answers for."""

    rows: Tensor
    core: Tensor


def cut(grid: Tensor, *, max_rows: int, cell: int, halo: int) -> list[Tile]:
    """Halve the grid [M, 3] along its longest side, at multiples of ``cell``, until each core has at most ``max_rows``
    rows.

    cell: voxels of the finest grid along a coarsest voxel; halo: voxels added around each core. A single coarse voxel
    is never cut.
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


class Part(NamedTuple):
    """What one tile answers for: features of all levels, put side by side only for the rows asked for."""

    rows: Tensor  # [R] voxels of the scene, ascending
    features: list[Tensor]  # [M_l, C_l] of each level
    index: list[Tensor]  # [R] row of each level
    tokens: Tensor  # [T, channels[-1]]
    tokens_grid: Tensor  # [T, 3] int32

    def upcast(self, begin: int, end: int) -> Tensor:
        """[end - begin, sum of channels] of rows[begin:end]."""
        return upcast(self.features, [rows[begin:end] for rows in self.index])


@torch.no_grad()
def encode_tiles(
    encoder: Encoder, voxels: Voxels, *, max_rows: int, halo: int, advance: Callable[[float], None] | None = None
) -> Iterator[Part]:
    """Encode the voxels of one scene tile by tile: one where there are at most ``max_rows``. Only the part handed out
    is in memory.

    advance: called after each block of the network with how many voxels' worth of work it was; M in all.
    """
    cell = 2 ** (len(encoder.config.depths) - 1)
    for rows, core in cut(voxels.grid, max_rows=max_rows, cell=cell, halo=halo):
        grid = voxels.grid[rows]
        pyramid = encoder.prepare(grid, torch.tensor([len(rows)]))
        own = int(core.sum())
        step = None if advance is None else partial(_scaled, advance, own)
        features = encoder.level_features(pyramid, voxels.feat[rows].to(pyramid.order.device), step=step)
        tokens, cells, _ = last_level(features, pyramid)
        mine = _owned(cells, torch.div(grid[core], cell, rounding_mode="floor").to(cells.device))
        index = pyramid.ancestors(torch.nonzero(core)[:, 0].to(cells.device))
        part = Part(rows[core], features, index, tokens[mine], cells[mine])
        del pyramid, grid, features, index, tokens, cells  # not held beside the part
        yield part


def _scaled(advance: Callable[[float], None], rows: int, share: float) -> None:
    advance(rows * share)


def _owned(cells: Tensor, core: Tensor) -> Tensor:
    """[T] bool: cells [T, 3] that occur among the core's [R, 3]."""
    size = int(torch.cat([cells, core]).max()) + 1
    keys = [(x[:, 0].long() * size + x[:, 1]) * size + x[:, 2] for x in (cells, core)]
    return torch.isin(keys[0], keys[1])
