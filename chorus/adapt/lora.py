"""Low-rank updates of the attention's qkv (Hu et al. 2022), folded into the weights when done."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from chorus.encoder.adapter import save_adapter
from chorus.encoder.attention import WindowAttention
from chorus.encoder.checkpoint import SceneModel


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


def low_rank_parts(model: nn.Module) -> dict[str, LowRank]:
    """Name -> the Linear with its low-rank part."""
    return {name: module for name, module in model.named_modules() if isinstance(module, LowRank)}


def save_low_rank(model: SceneModel, folder: Path, *, base: str) -> None:
    """The low-rank parts, and the heads trained with them, as an adapter over the model of content ``base``."""
    parts = low_rank_parts(model)
    heads = {f"heads.{role}": head for role, head in model.heads.items()}
    whole = {
        f"{name}.{index}": layer
        for name, head in heads.items()
        for index, layer in head.named_children()
        if next(layer.parameters(), None) is not None
    }
    alphas = {part.factor * len(part.down) for part in parts.values()}
    save_adapter(
        folder,
        low_rank={name: (part.down, part.up) for name, part in parts.items()},
        alpha=alphas.pop(),
        whole=whole,
        base=base,
    )
