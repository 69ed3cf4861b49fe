"""One step of an optimiser, the same in every training here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor
from torch.nn import Parameter

from chorus.errors import InputError
from chorus.train.schedule import parameter_groups

BETAS = (0.9, 0.98)


def adam(parameters: Iterable[Parameter], *, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over those that learn; weights decay, biases and norms do not."""
    return torch.optim.AdamW(parameter_groups(parameters, weight_decay), lr=lr, betas=BETAS, fused=True)


def learn(
    optimizer: torch.optim.Optimizer, losses: Mapping[str, Tensor], *, clip: float, where: str, fix: str
) -> dict[str, float]:
    """Step down the sum of the losses, the gradient's norm cut at ``clip``; returns them with their sum as ``loss``.

    Raises InputError, saying ``where`` and ``fix``, when the sum is not finite: the parameters stay as they are then.
    """
    total = torch.stack(list(losses.values())).sum()
    if not bool(torch.isfinite(total)):
        raise InputError(where, expected="a finite loss", got=total.item(), fix=fix)
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    torch.nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip)
    optimizer.step()
    return {"loss": total.item(), **{name: loss.item() for name, loss in losses.items()}}
