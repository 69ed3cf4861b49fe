"""Rows that were coded along a curve, a chunk at a time."""

import functools

import torch
from torch import Tensor

from chorus_kernels import checks, dispatch, reference

LONGEST = 1 << 20  # rows of a chunk


def decode_rows(data: Tensor, wide: int, order: Tensor, axes: int, rows: int) -> Tensor:
    """Coefficients [rows, axes] float32 of a chunk from the codes of their orthonormal Haar transform along the rows.

    data [count + wide] uint8: the low bytes of all codes, then the high bytes of the first ``wide``; a code counts 0,
    -1, 1, -2, ... order [runs] int32: level * axes + axis of each run of codes; level 0 is the mean, level l > 0 holds
    2^(l - 1) differences; what no run speaks of is 0. rows: a power of two from 2 on. The same bits on any number of
    threads and any processor.
    """
    op = "decode_rows"
    checks.tensor(op, "data", data, ("S",), dtypes=(torch.uint8,))
    checks.tensor(op, "order", order, ("runs",), dtypes=(torch.int32,))
    if not 2 <= rows <= LONGEST or rows & (rows - 1):
        raise ValueError(f"{op}: rows must be a power of two from 2 to {LONGEST}, got {rows}")
    levels = rows.bit_length()
    if axes < 1 or axes * levels >= 2**31:
        raise ValueError(f"{op}: axes must be from 1 to {(2**31 - 1) // levels}, got {axes}")
    if len(order):
        low, high = (int(end) for end in torch.aminmax(order))
        if low < 0 or high >= levels * axes:
            raise ValueError(f"{op}: order must lie in [0, {levels * axes}), got {low} to {high}")
    count = int(run_lengths(order, axes).sum())
    if not 0 <= wide <= count or len(data) != count + wide:
        raise ValueError(f"{op}: {len(data)} bytes for {count} codes, {wide} of them of two bytes")
    scales = level_scales(levels)
    if dispatch.use_reference():
        return reference.decode_rows(data, wide, order, scales, axes, rows)
    out = torch.empty(rows, axes)
    dispatch.native().decode_rows(data, wide, order, scales, out, dispatch.threads())
    return out


def run_lengths(order: Tensor, axes: int) -> Tensor:
    """[runs] int64: how many codes each run has."""
    level = order.long() // axes
    return torch.where(level > 0, torch.ones_like(level) << (level - 1).clamp_min(0), 1)


@functools.cache
def level_scales(levels: int) -> Tensor:
    """[levels] float32: what a code of each level counts in a row, 2^(-steps / 2) after so many steps."""
    steps = torch.tensor([levels - 1, *range(levels - 1, 0, -1)])
    return 0.5 ** (0.5 * steps)
