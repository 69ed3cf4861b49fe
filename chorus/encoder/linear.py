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
    rows = max(1, BLOCK_BYTES // (4 * width))
    if len(x) <= rows or torch.is_grad_enabled() or x.device.type != "cpu":
        return f(x)
    blocks = x.split(rows)
    first = f(blocks[0])
    out = first.new_empty(len(x), first.shape[1])
    out[: len(first)] = first
    for i, block in enumerate(blocks[1:], start=1):
        out[i * rows : i * rows + len(block)] = f(block)
    return out
