"""Integer grids: neighbor tables and positions along space-filling curves."""

import torch
from torch import Tensor

from chorus_kernels import checks, cuda, dispatch, reference

WHOLE = (torch.int32, torch.int64)
ORDERS = ("z", "z-trans", "hilbert", "hilbert-trans")


def neighbors(grid: Tensor, batch: Tensor) -> Tensor:
    """The 27 neighbors of every voxel: grid [N, 3] and batch [N] whole numbers -> table [27, N] int32.

    table[k, i] is the row j with batch[j] = batch[i] and grid[j] = grid[i] + (kx, ky, kz) - 1, k = (kx * 3 + ky) * 3 +
    kz, or -1. Coordinates may be negative; |coordinate| < 2^30. Raises ValueError when a voxel occurs twice: pool to
    unique voxels first. On CUDA tensors spconv does the work, or torch where it is not installed.
    """
    if dispatch.on_card(grid):
        return cuda.neighbors(grid, batch)
    grid, batch = _voxels("neighbors", grid, batch)
    if dispatch.use_reference():
        return reference.neighbors(grid, batch)
    table = torch.empty(27, grid.shape[0], dtype=torch.int32)
    twice = dispatch.native().neighbors(grid, batch, table, dispatch.threads())
    if twice >= 0:
        place = grid[twice].tolist()
        raise ValueError(
            f"neighbors: voxels must be unique, {place} of batch {batch[twice].item()} occurs again at row "
            f"{twice}; pool them first"
        )
    return table


def curve_codes(grid: Tensor, batch: Tensor, order: str, depth: int = 16) -> Tensor:
    """Position of every voxel along a curve: grid [N, 3] in [0, 2^depth), batch [N] -> int64 [N].

    The batch stands above the 3 * depth bits of the curve. In "z" each triple of bits is x, y, z from the most
    significant; "hilbert" is Skilling's curve with x as first axis; "-trans" exchanges x and y. The conventions of
    Point Transformer v3. A Hilbert code depends on `depth`. On CUDA tensors torch's integer operations do the work.
    """
    op = "curve_codes"
    checks.one_of(op, "order", order, ORDERS)
    if not 1 <= depth <= 21:
        raise ValueError(f"{op}: depth must be from 1 to 21 bits, got {depth}")
    grid, batch = _voxels(op, grid, batch)
    on_card = dispatch.on_card(grid)
    if grid.shape[0] and not on_card:  # as everywhere, values on a card are trusted: to read one is to wait for it
        low, high = _range(grid)
        if low < 0 or high >= 2**depth:
            raise ValueError(f"{op}: grid must lie in [0, 2^{depth}), got {low} to {high}; shift it or raise depth")
        low, high = _range(batch)
        if low < 0 or high >= 2 ** (63 - 3 * depth):
            raise ValueError(f"{op}: batch must lie in [0, 2^{63 - 3 * depth}) at depth {depth}, got {low} to {high}")
    if dispatch.use_reference() or on_card:
        return reference.curve_codes(grid, batch, order, depth)
    codes = torch.empty(grid.shape[0], dtype=torch.int64)
    dispatch.native().curve_codes(
        grid, batch, order.startswith("hilbert"), order.endswith("-trans"), depth, codes, dispatch.threads()
    )
    return codes


def _voxels(op: str, grid: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
    device = checks.home(grid)
    checks.tensor(op, "grid", grid, ("N", 3), dtypes=WHOLE, device=device)
    checks.tensor(op, "batch", batch, (grid.shape[0],), dtypes=WHOLE, device=device)
    if grid.shape[0] and device == checks.CPU:
        low, high = _range(grid)
        if low <= -(2**30) or high >= 2**30:
            raise ValueError(f"{op}: grid must lie within 2^30 of zero, got {low} to {high}")
    return grid.to(torch.int32), batch.to(torch.int64)


def _range(x: Tensor) -> tuple[int, int]:
    low, high = torch.aminmax(x)
    return int(low), int(high)
