"""Submanifold 3 x 3 x 3 convolution over a neighbor table."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from chorus_kernels import checks, conv_cuda, dispatch, reference


def submanifold_conv(
    feat: Tensor,  # [N, Cin]
    weight: Tensor,  # [Cout, 3, 3, 3, Cin]
    table: Tensor,  # [27, N] int32, from neighbors()
    bias: Tensor | None = None,  # [Cout]
) -> Tensor:  # [N, Cout]
    """out[i] = bias + sum over (kx, ky, kz) of weight[:, kx, ky, kz] @ feat[row at grid[i] + (kx, ky, kz) - 1].

    Cross-correlation, the convention of spconv's SubMConv3d. Absent neighbors count as zero. Differentiable in feat,
    weight and bias; the table must be symmetric (table[k, i] = j exactly when table[26 - k, j] = i), as `neighbors`
    makes it.
    """
    op = "submanifold_conv"
    if dispatch.on_card(feat):
        return conv_cuda.submanifold_conv(feat, weight, table, bias)
    checks.tensor(op, "feat", feat, ("N", "Cin"))
    n, cin = feat.shape
    checks.tensor(op, "weight", weight, ("Cout", 3, 3, 3, cin))
    checks.tensor(op, "table", table, (27, n), dtypes=(torch.int32,))
    if bias is not None:
        checks.tensor(op, "bias", bias, (weight.shape[0],))
    if dispatch.use_reference():
        return reference.submanifold_conv(feat, weight, table, bias)
    problem = dispatch.native().check_table(table)
    if problem:
        raise ValueError(f"{op}: {problem}")
    return _Conv.apply(feat, weight, table, bias)


class _Conv(torch.autograd.Function):
    @staticmethod
    def forward(ctx, feat, weight, table, bias):
        feat, weight = feat.detach(), weight.detach()
        ctx.save_for_backward(feat, weight, table)
        packed = weight.reshape(weight.shape[0], 27, -1).permute(1, 2, 0)
        return _multiply(feat, packed, table, None if bias is None else bias.detach())

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        feat, weight, table = ctx.saved_tensors
        grad = grad.contiguous()
        g_feat = g_weight = g_bias = None
        if ctx.needs_input_grad[0]:
            # j is i's neighbor at k when i is j's at 26 - k: the same convolution with the offsets mirrored.
            mirrored = weight.reshape(weight.shape[0], 27, -1).flip(1).permute(1, 0, 2)
            g_feat = _multiply(grad, mirrored, table, None)
        if ctx.needs_input_grad[1]:
            g_weight = _weight_gradient(feat, grad, table).view_as(weight)
        if ctx.needs_input_grad[3]:
            g_bias = grad.sum(0)
        return g_feat, g_weight, None, g_bias


def _multiply(feat: Tensor, matrices: Tensor, table: Tensor, bias: Tensor | None) -> Tensor:
    """matrices [27, Cin, Cout]; the kernel wants whole vectors of output channels."""
    cout = matrices.shape[2]
    out = torch.empty(feat.shape[0], cout)
    native = dispatch.native()
    packed = _padded(matrices, native.padded_channels(cout))
    native.conv_forward(feat, packed, table, bias, out, dispatch.threads())
    return out


def _weight_gradient(feat: Tensor, grad: Tensor, table: Tensor) -> Tensor:
    cin, cout = feat.shape[1], grad.shape[1]
    native = dispatch.native()
    padded = native.padded_channels(cout)
    packed = torch.zeros(27, cin, padded)
    native.conv_weight_gradient(feat, _padded(grad, padded), cout, table, packed, dispatch.threads())
    return packed[:, :, :cout].permute(2, 0, 1).contiguous()


def _padded(x: Tensor, channels: int) -> Tensor:
    """Contiguous, zeros behind the last dimension up to so many channels; x itself where that changes nothing."""
    return (functional.pad(x, (0, channels - x.shape[-1])) if channels > x.shape[-1] else x).contiguous()
