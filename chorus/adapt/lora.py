"""Low-rank updates of the attention's qkv (Hu et al. 2022), folded into the weights when done."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from chorus.encoder.attention import WindowAttention


class LowRank(nn.Module):
    """y = W x + (alpha / rank) B A x with W frozen and B = 0 at the start."""

    def __init__(self, base: nn.Linear, rank: int, alpha: float, generator: torch.Generator):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Parameter(torch.randn(rank, base.in_features, generator=generator) * base.in_features**-0.5)
        self.up = nn.Parameter(torch.zeros(base.out_features, rank))
        self.factor = alpha / rank

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + (x @ self.down.T) @ self.up.T * self.factor

    @torch.no_grad()
    def folded(self) -> nn.Linear:
        self.base.weight += self.up @ self.down * self.factor
        return self.base


def add_low_rank(model: nn.Module, *, rank: int, alpha: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, WindowAttention) and isinstance(module.qkv, nn.Linear):
            module.qkv = LowRank(module.qkv, rank, alpha, generator)


def fold_low_rank(model: nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, WindowAttention) and isinstance(module.qkv, LowRank):
            module.qkv = module.qkv.folded()
