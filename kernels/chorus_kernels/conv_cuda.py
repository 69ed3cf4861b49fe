"""The convolution and the pooling on CUDA: spconv where it is installed (extra `gpu`), plain torch where it is not.

Both take the neighbor table the CPU builds. The torch path has no scatter, so it gives the same bits every time;
spconv's order of sums is its own.
"""

import functools
from types import ModuleType

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

CENTRE = 13  # offset (1, 1, 1) of 27


def submanifold_conv(feat: Tensor, weight: Tensor, table: Tensor, bias: Tensor | None) -> Tensor:
    """See `chorus_kernels.submanifold_conv`; shapes are the caller's to keep.

    Under autocast the torch path computes in autocast's type; spconv computes in float32, which has kernels on every
    card.
    """
    device = feat.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else feat.dtype
    with torch.autocast(device, enabled=False):
        spconv = spconv_functional()
        if spconv is not None and feat.is_cuda:
            out = _with_spconv(spconv, feat.float(), weight.float(), table)
        else:
            out = _Gathered.apply(feat.to(dtype), weight.to(dtype), table)
        return out if bias is None else out + bias


@functools.cache
def spconv_functional() -> ModuleType | None:
    """`spconv.pytorch.functional`, or None when spconv is absent or does not load beside this CUDA."""
    try:
        import spconv.pytorch.functional as found  # pyright: ignore[reportMissingImports]
    except (ImportError, OSError):
        return None
    return found


def _with_spconv(spconv: ModuleType, feat: Tensor, weight: Tensor, table: Tensor) -> Tensor:
    """spconv's gather, product and scatter over pairs read off the table; its weights have our layout [Cout, 3, 3, 3,
    Cin]."""
    from spconv.core import ConvAlgo  # pyright: ignore[reportMissingImports]

    rows, counts = pairs_of(table)
    return spconv.indice_subm_conv(feat.contiguous(), weight.contiguous(), rows, counts, feat.shape[0], ConvAlgo.Native)


def pairs_of(table: Tensor) -> tuple[Tensor, Tensor]:
    """Table [27, N] to spconv's pairs: rows [2, 27, N] int32 (read, written; -1 behind the last) and how many for each
    offset [27] int32.

    spconv takes the count of an offset past the centre from its mirror image; in a symmetric table they are equal.
    """
    present = table >= 0
    counts = present.sum(1, dtype=torch.int32)
    place = present.cumsum(1) - 1
    rows = torch.full((2, *table.shape), -1, dtype=torch.int32, device=table.device)
    offset, written = present.nonzero(as_tuple=True)
    rows[0, offset, place[offset, written]] = table[offset, written]
    rows[1, offset, place[offset, written]] = written.to(torch.int32)
    return rows, counts


class _Gathered(torch.autograd.Function):
    """Sum over offsets of gathered rows times that offset's matrix; absent neighbors read a row of zeros."""

    @staticmethod
    def forward(ctx, feat, weight, table):
        ctx.save_for_backward(feat, weight, table)
        return _products(feat, weight.reshape(weight.shape[0], 27, -1).permute(1, 2, 0), table)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        feat, weight, table = ctx.saved_tensors
        grad = grad.to(feat.dtype).contiguous()
        g_feat = g_weight = None
        if ctx.needs_input_grad[0]:  # the same convolution with the offsets mirrored: the table is symmetric
            g_feat = _products(grad, weight.reshape(weight.shape[0], 27, -1).flip(1).permute(1, 0, 2), table)
        if ctx.needs_input_grad[1]:
            padded = torch.cat([feat, feat.new_zeros(1, feat.shape[1])])
            g_weight = torch.stack([grad.T @ padded.index_select(0, rows) for rows in _rows(table)], 1).view_as(weight)
        return g_feat, g_weight, None


def _products(feat: Tensor, matrices: Tensor, table: Tensor) -> Tensor:
    """feat [N, Cin], matrices [27, Cin, Cout] -> [N, Cout]."""
    padded = torch.cat([feat, feat.new_zeros(1, feat.shape[1])])
    out = feat @ matrices[CENTRE]
    for k, rows in enumerate(_rows(table)):
        if k != CENTRE:
            out = torch.addmm(out, padded.index_select(0, rows), matrices[k])
    return out


def _rows(table: Tensor) -> Tensor:
    """[27, N] int64 rows of a matrix with one row of zeros at its end."""
    return torch.where(table < 0, table.shape[1], table.long())


def segment_reduce(x: Tensor, indptr: Tensor, reduce: str) -> Tensor:
    """See `chorus_kernels.segment_reduce`; segments are not empty."""
    segments = indptr.shape[0] - 1
    index = torch.repeat_interleave(torch.arange(segments, device=x.device), indptr.diff(), output_size=x.shape[0])
    how = {"max": "amax", "mean": "mean", "sum": "sum"}[reduce]
    return x.new_zeros(segments, x.shape[1]).scatter_reduce(0, index[:, None].expand_as(x), x, how, include_self=False)
