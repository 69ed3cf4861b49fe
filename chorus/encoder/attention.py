"""Attention inside windows of a space-filling curve: the native op on the CPU, torch's own elsewhere.

Point Transformer V3 (Wu et al. 2024) pads a sample to whole windows by repeating the rows before the gap. The padded
last window therefore holds exactly the sample's last K rows, so here it *is* the last K rows: nothing is padded, and
the rows that the window before has answered already are not read from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chorus.encoder.linear import linear
from chorus_kernels import window_attention

NATIVE_HEAD = 16  # channels of a head that the native op takes


@dataclass(frozen=True)
class Windows:
    """Which rows attend together. Window w holds ``rows[w]``; row i reads its answer from flat slot ``slot[i]``."""

    rows: Tensor  # [W, K] int64
    slot: Tensor  # [M] int64 into W * K
    mask: Tensor | None  # [W, 1, 1, K] bool, False where a short sample left its window empty; None when all are full
    again: Tensor  # [A] int64 slots nobody reads: rows a window repeats, and what a short sample left empty
    unread: Tensor  # [W, K] bool, True at those

    @property
    def keys(self) -> Tensor | None:
        """[W] rows of each window; None when all are full."""
        return None if self.mask is None else self.mask.sum(dim=-1).flatten()

    def to(self, device: torch.device | str) -> Windows:
        """Copied to a device."""
        mask = None if self.mask is None else self.mask.to(device)
        places = (self.rows, self.slot, self.again, self.unread)
        rows, slot, again, unread = (x.to(device) for x in places)
        return Windows(rows, slot, mask, again, unread)


def make_windows(order: Tensor, counts: Tensor, window: int) -> Windows:
    """Cut samples into windows along a curve.

    order: [M] rows sorted by sample, then by curve code; counts: [B] rows a sample, on the host, so that no device is
    waited for; window: K, or fewer where every sample is shorter.
    """
    size, device = min(window, int(counts.max())), order.device
    ends = counts.cumsum(0)  # [B]
    per_sample = (counts + size - 1) // size  # [B] windows
    before = per_sample.cumsum(0) - per_sample  # [B] windows of the samples ahead
    sample = torch.repeat_interleave(per_sample)  # [W]
    first = torch.arange(len(sample)) - before[sample]
    begins = (ends - counts)[sample]
    starts = torch.maximum(
        torch.minimum(begins + first * size, ends[sample] - size), begins
    )  # [W] the last one moves back
    moved = begins + first * size - starts  # [W] by how much
    shift = (before * size - (ends - counts)).to(device)  # [B]
    shift = torch.repeat_interleave(shift, counts.to(device), output_size=len(order))
    slots = torch.arange(len(order), device=device) + shift  # [M] of each place in curve order, had no window moved
    slots = slots + moved.to(device)[torch.div(slots, size, rounding_mode="floor")]
    place = starts.to(device)[:, None] + torch.arange(size, device=device)  # [W, K] in curve order
    rows = order[place.clamp_max(len(order) - 1)]
    slot = torch.empty_like(order)
    slot[order] = slots
    full = bool((counts >= size).all())
    mask = None if full else (place < ends[sample].to(device)[:, None])[:, None, None, :]
    again = _again(counts, before, size).to(device)
    unread = torch.zeros(rows.numel(), dtype=torch.bool, device=device).index_fill_(0, again, True)
    return Windows(rows, slot, mask, again, unread.view_as(rows))


def _again(counts: Tensor, before: Tensor, size: int) -> Tensor:
    """[A] slots nobody reads: the first of a last window that moved back, the last of one that its sample does not
    fill."""
    left = -counts % size  # [B]
    short = counts < size
    last = (before + (counts + size - 1) // size - 1) * size  # [B] first slot of each sample's last window
    begin = torch.where(short, last + counts, last)
    within = torch.arange(int(left.sum())) - (left.cumsum(0) - left).repeat_interleave(left)
    return begin.repeat_interleave(left) + within


class _ToWindows(torch.autograd.Function):
    """x[rows], whose backward gathers instead of scattering: a row stands in one answering slot and in few others."""

    @staticmethod
    def forward(ctx, x: Tensor, windows: Windows) -> Tensor:  # [M, C] -> [W * K, C]
        ctx.windows = windows
        return x.index_select(0, windows.rows.flatten())

    @staticmethod
    def backward(ctx, grad: Tensor):
        windows = ctx.windows
        out = grad.index_select(0, windows.slot)
        if len(windows.again):
            out.index_add_(0, windows.rows.flatten()[windows.again], grad.index_select(0, windows.again))
        return out, None


class _FromWindows(torch.autograd.Function):
    """y[slot]; every row reads another slot, so the backward is a plain copy."""

    @staticmethod
    def forward(ctx, y: Tensor, windows: Windows) -> Tensor:  # [W * K, C] -> [M, C]
        ctx.windows = windows
        return y.index_select(0, windows.slot)

    @staticmethod
    def backward(ctx, grad: Tensor):
        out = grad.new_zeros(ctx.windows.rows.numel(), grad.shape[1])
        return out.index_copy_(0, ctx.windows.slot, grad), None


class WindowAttention(nn.Module):
    """Multi-head attention inside curve windows; parameters ``qkv`` and ``proj``."""

    def __init__(self, channels: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv: nn.Module = nn.Linear(channels, 3 * channels)  # while adapting, one with a low-rank part
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Tensor, windows: Windows) -> Tensor:  # [M, C] -> [M, C]
        return linear(self.answers(linear(x, self.qkv), windows), self.proj)

    def answers(self, qkv: Tensor, windows: Windows) -> Tensor:  # [M, 3 C] -> [M, C]
        """What every row gets from its window, before the projection."""
        fits = qkv.shape[1] == 3 * self.heads * NATIVE_HEAD
        native = fits and qkv.device.type == "cpu" and qkv.dtype == torch.float32
        return self._native(qkv, windows) if native else self._torch(qkv, windows)

    def _native(self, qkv: Tensor, windows: Windows) -> Tensor:  # [M, 3 C] -> [M, C]
        heads = qkv.view(len(qkv), 3, self.heads, NATIVE_HEAD)
        return window_attention(heads, windows.rows, unread=windows.unread, keys=windows.keys).flatten(1)

    def _torch(self, qkv: Tensor, windows: Windows) -> Tensor:  # [M, 3 C] -> [M, C]
        count, size = windows.rows.shape
        q, k, v = _ToWindows.apply(qkv, windows).view(count, size, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=windows.mask)  # [W, H, K, D]
        return _FromWindows.apply(y.transpose(1, 2).reshape(count * size, -1), windows)
