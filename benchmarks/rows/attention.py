"""Rows of attention inside windows, against torch's own."""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

import chorus_kernels as ck
from benchmarks.table import Row
from benchmarks.timing import in_turns, size

HEADS, ROWS = 12, 8192


def torchs(qkv: Tensor, windows: int) -> Tensor:
    """[M, H, 16] of whole windows of consecutive rows [M, 3, H, 16]."""
    q, k, v = qkv.unflatten(0, (windows, -1)).permute(2, 0, 3, 1, 4)
    return functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(len(qkv), HEADS, 16)


def attention() -> Iterator[Row]:
    """Forward in three sizes of window, and a step of training in one; the peer finds its windows cut already."""
    qkv = torch.randn(ROWS, 3, HEADS, 16, generator=torch.Generator().manual_seed(0))
    leaf, outer = qkv.clone().requires_grad_(), torch.ones(ROWS, HEADS, 16)
    for window in (128, 256, 1024):
        count = ROWS // window
        rows = torch.arange(ROWS).view(count, window)
        with torch.no_grad():
            ours, peer = in_turns(
                lambda rows=rows: ck.window_attention(qkv, rows), lambda count=count: torchs(qkv, count), rounds=3
            )
        yield _row("forward", window, ours, peer, qkv, 2.0 if window == 1024 else 1.5, 1)
        if window != 128:
            continue
        ours, peer = in_turns(
            lambda rows=rows: ck.window_attention(leaf, rows).backward(outer),
            lambda count=count: torchs(leaf, count).backward(outer),
            rounds=3,
        )
        yield _row("forward+backward", window, ours, peer, qkv, 1.5, 3.5)


def _row(what: str, window: int, ours: float, peer: float, qkv: Tensor, at_least: float, passes: float) -> Row:
    case = f"{ROWS} rows, {HEADS} heads of 16, windows of {window}, {what}"
    return Row(
        "window_attention",
        case,
        "torch SDPA",
        ours,
        peer,
        at_least,
        flops=passes * 4 * ROWS * window * HEADS * 16,
        moved=passes * 4 / 3 * size(qkv),
    )
