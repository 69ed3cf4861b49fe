"""Voxels laid along space-filling curves, and the pyramid of levels the encoder walks through.

Everything here is geometry: no weights, no gradients, computed once per scene and reusable while the Gaussians stand
still. Rows are kept in z-order, so that the eight children of a coarse voxel are neighbours in memory, pooling is a
reduction over runs, and results do not depend on the order in which rows arrived.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chorus.encoder.attention import Windows, make_windows
from chorus.errors import InputError
from chorus_kernels import curve_codes, neighbors

ORDERS = ("z", "z-trans", "hilbert", "hilbert-trans")
MAX_DEPTH = 21  # bits an axis: 63 bits a code


@dataclass(frozen=True)
class Level:
    """M voxels of one grid size, sorted by sample and z-order."""

    grid: Tensor  # [M, 3] int32
    batch: Tensor  # [M] int32, ascending
    table: Tensor | None  # [27, M] int32 neighbours, None where the level has no block
    windows: tuple[Windows, ...]  # one per curve in use
    parent: Tensor | None  # [M] int64 row of the next level, None at the last
    indptr: Tensor | None  # [M_next + 1] int64 runs of children, None at the last

    def to(self, device: torch.device | str) -> Level:
        """Copied to a device."""
        table, parent, indptr = (None if x is None else x.to(device) for x in (self.table, self.parent, self.indptr))
        windows = tuple(windows.to(device) for windows in self.windows)
        return Level(self.grid.to(device), self.batch.to(device), table, windows, parent, indptr)


@dataclass(frozen=True)
class Pyramid:
    """The levels of a batch, finest first."""

    levels: tuple[Level, ...]
    order: Tensor  # [N] given row at each sorted place
    place: Tensor  # [N] sorted place of each given row

    def to(self, device: torch.device | str) -> Pyramid:
        """Copied to a device."""
        return Pyramid(tuple(level.to(device) for level in self.levels), self.order.to(device), self.place.to(device))

    def ancestors(self, rows: Tensor | None = None) -> list[Tensor]:
        """For given rows [R] (all when None) their row at each level."""
        index = self.place if rows is None else self.place[rows]
        found = [index]
        for parent in (level.parent for level in self.levels if level.parent is not None):  # all but the last
            index = parent[index]
            found.append(index)
        return found


def curve_depth(highest: int) -> int:
    """Bits an axis of the curve over a grid up to the cell ``highest``: that of (highest + 1), as the released
    architecture counts them."""
    return max(1, highest + 1).bit_length()


def build_pyramid(
    grid: Tensor, offset: Tensor, *, depths: tuple[int, ...], window: int, orders: tuple[str, ...]
) -> Pyramid:
    """The pyramid of levels over voxels, made where the grid is.

    grid: [N, 3] int, >= 0, unique within a sample; offset: [B] cumulative rows, on the host. Of a grid on a card the
    host reads its extent, whether voxels repeat, and for each level how many rows it has. depths: blocks a level, so
    that curves no block uses are not computed. Raises InputError on repeated voxels or a grid beyond the curve.
    """
    batch = torch.repeat_interleave(torch.arange(len(offset)), _counts(offset)).int().to(grid.device)
    grid = grid.int()
    highest = _check_extent(grid, len(offset))
    codes = curve_codes(grid, batch, "z", curve_depth(highest))
    codes, order = codes.sort()
    repeated = int((codes[1:] == codes[:-1]).sum())
    if repeated:
        raise InputError(
            "encoder grid",
            expected="one row per voxel",
            got=f"{repeated} repeated voxels",
            fix="Pool the Gaussians of a voxel first.",
        )
    place = torch.empty_like(order)
    place[order] = torch.arange(len(order), device=order.device)
    grid, batch = grid[order], batch[order]
    levels = []
    for i, depth in enumerate(depths):
        parent = indptr = None
        if i + 1 < len(depths):
            parent, indptr = _runs(grid, batch)
        windows = _windows(grid, batch, orders[:depth], curve_depth(highest >> i), samples=len(offset), window=window)
        table = neighbors(grid, batch) if windows else None
        levels.append(Level(grid, batch, table, windows, parent, indptr))
        if indptr is not None:
            heads = indptr[:-1]
            grid, batch = torch.div(grid[heads], 2, rounding_mode="floor"), batch[heads]
    return Pyramid(tuple(levels), order, place)


def _windows(
    grid: Tensor, batch: Tensor, orders: tuple[str, ...], depth: int, *, samples: int, window: int
) -> tuple[Windows, ...]:
    """One for each curve."""
    if not orders:
        return ()
    ends = torch.searchsorted(batch, torch.arange(1, samples + 1, dtype=batch.dtype, device=batch.device))
    counts = _counts(ends.cpu())
    return tuple(make_windows(curve_codes(grid, batch, name, depth).argsort(), counts, window) for name in orders)


def _runs(grid: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Which coarse voxel each z-sorted row falls in [M], and where each coarse voxel's rows begin [M' + 1]."""
    coarse = torch.div(grid, 2, rounding_mode="floor")
    new = torch.ones(len(grid), dtype=torch.bool, device=grid.device)
    new[1:] = (coarse[1:] != coarse[:-1]).any(dim=1) | (batch[1:] != batch[:-1])
    parent = new.long().cumsum(0) - 1
    starts = torch.nonzero(new)[:, 0]
    return parent, torch.cat([starts, starts.new_tensor([len(grid)])])


def _counts(offset: Tensor) -> Tensor:
    """[B] cumulative rows to [B] rows."""
    offset = offset.long()
    return torch.diff(offset, prepend=offset.new_zeros(1))


def _check_extent(grid: Tensor, samples: int) -> int:
    """The highest cell of any axis."""
    low, high = torch.stack(torch.aminmax(grid)).tolist()
    bits = 3 * (high + 1).bit_length() + (samples - 1).bit_length()
    if low < 0 or bits > 3 * MAX_DEPTH:
        raise InputError(
            "encoder grid",
            expected=f"cells from 0 to {2**MAX_DEPTH - 2} for one sample",
            got=f"{low} to {high} in {samples} samples",
            fix="Shift the scene to its own origin, use a larger grid or fewer samples.",
        )
    return high
