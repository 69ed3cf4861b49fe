"""Dense layers at their fastest where no gradient is kept: oneDNN's, bias and GELU in the same pass, in blocks that
stay in cache."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK_BYTES = 2**23  # of the widest intermediate: fits the last cache, and the allocator gives the same pages again


def linear(x: Tensor, layer: nn.Module, *, gelu: bool = False) -> Tensor:
    """layer(x), then GELU where asked. x: [M, C].

    The fused operator is the one torch.compile uses on CPU; on a layer that is not a plain nn.Linear, on other devices
    and types, and where a gradient is kept, the layer itself runs.
    """
    if (
        type(layer) is nn.Linear
        and x.device.type == "cpu"
        and x.dtype == layer.weight.dtype == torch.float32
        and not torch.is_grad_enabled()
        and _fused()
    ):
        return torch.ops.mkldnn._linear_pointwise(
            x, layer.weight, layer.bias, "gelu" if gelu else "none", [], "none" if gelu else ""
        )
    return F.gelu(layer(x)) if gelu else layer(x)


def _fused() -> bool:
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def in_row_blocks(f: Callable[[Tensor], Tensor], x: Tensor, *, width: int) -> Tensor:
    """f over x [M, C] in blocks of rows where no gradient is kept. width: channels of the widest tensor inside f."""
    blocks = _blocks(x, width)
    if len(blocks) == 1:
        return f(x)
    rows = len(blocks[0])
    first = f(blocks[0])
    out = first.new_empty(len(x), first.shape[1])
    out[: len(first)] = first
    for i, block in enumerate(blocks[1:], start=1):
        out[i * rows : i * rows + len(block)] = f(block)
    return out


def plus(x: Tensor, f: Callable[[Tensor], Tensor], inputs: Tensor, *, width: int) -> Tensor:
    """x + f(inputs) of tensors [M, C]; f works row by row, inputs may be x.

    Where no gradient is kept on the CPU, the sum takes the place of x, in blocks of rows: pages that were touched
    before cost nothing, new ones do. width: channels of the widest tensor inside f.
    """
    if torch.is_grad_enabled() or x.device.type != "cpu":
        return x + f(inputs)
    blocks = _blocks(inputs, width)
    for into, block in zip(x.split(len(blocks[0])), blocks, strict=True):
        into += f(block)
    return x


def _blocks(x: Tensor, width: int) -> tuple[Tensor, ...]:
    """x itself, or blocks of its rows where no gradient is kept on the CPU."""
    rows = max(1, BLOCK_BYTES // (4 * width))
    whole = len(x) <= rows or torch.is_grad_enabled() or x.device.type != "cpu"
    return (x,) if whole else x.split(rows)
