"""Reductions over runs of consecutive rows."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from chorus_kernels import checks, conv_cuda, dispatch, reference

REDUCTIONS = ("max", "mean", "sum")


def segment_reduce(x: Tensor, indptr: Tensor, reduce: str) -> Tensor:
    """Reduces rows indptr[m] .. indptr[m + 1] of x [N, C]; indptr [M + 1] int64 -> [M, C].

    "max" sends the gradient to the first row that holds the maximum. Empty segments give 0 for "sum" and "mean" and are
    an error for "max".
    """
    op = "segment_reduce"
    if dispatch.on_card(x):
        return conv_cuda.segment_reduce(x, indptr, reduce)
    checks.tensor(op, "x", x, ("N", "C"))
    checks.tensor(op, "indptr", indptr, ("M + 1",), dtypes=(torch.int64,))
    checks.one_of(op, "reduce", reduce, REDUCTIONS)
    if indptr.shape[0] < 1 or indptr[0] != 0 or indptr[-1] != x.shape[0]:
        raise ValueError(
            f"{op}: indptr must run from 0 to {x.shape[0]}, got {indptr[:1].tolist()} to {indptr[-1:].tolist()}"
        )
    if indptr.shape[0] > 1:
        least = int(indptr.diff().min())
        if least < (1 if reduce == "max" else 0):
            what = "have no empty segments for 'max'" if least == 0 else "not decrease"
            raise ValueError(f"{op}: indptr must {what}, smallest segment has {least} rows")
    if dispatch.use_reference():
        return reference.segment_reduce(x, indptr, reduce)
    return (_Max if reduce == "max" else _Sum).apply(x, indptr, reduce == "mean")


class _Max(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, indptr, _):
        out = torch.empty(indptr.shape[0] - 1, x.shape[1])
        argmax = torch.empty(out.shape, dtype=torch.int64)
        dispatch.native().segment_max(x.detach(), indptr, out, argmax, dispatch.threads())
        ctx.save_for_backward(argmax)
        ctx.rows = x.shape[0]
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (argmax,) = ctx.saved_tensors
        return torch.zeros(ctx.rows, grad.shape[1]).scatter_(0, argmax, grad), None, None


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, indptr, mean):
        out = torch.empty(indptr.shape[0] - 1, x.shape[1])
        dispatch.native().segment_sum(x.detach(), indptr, mean, out, dispatch.threads())
        ctx.save_for_backward(indptr)
        ctx.rows, ctx.mean = x.shape[0], mean
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        (indptr,) = ctx.saved_tensors
        out = torch.empty(ctx.rows, grad.shape[1])
        dispatch.native().segment_spread(grad.contiguous(), indptr, ctx.mean, out, dispatch.threads())
        return out, None, None
