"""One step of an optimiser, the same in every training here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

from chorus.train.adamw import AdamW
from chorus.train.schedule import parameter_groups

BETAS = (0.9, 0.98)


def adam(parameters: Iterable[Parameter], *, lr: float, weight_decay: float, fused: bool = True) -> AdamW:
    """AdamW over those that learn; weights decay, biases and norms do not."""
    return AdamW(parameter_groups(parameters, weight_decay), lr=lr, betas=BETAS, fused=fused)


class GuardedSteps:
    """Steps of an optimiser as long as losses and gradients are finite; from the first that is not, none.

    Whether a step is good is known to the device alone: the fused optimiser reads a flag there and leaves parameters
    and moments as they are while it is set, and it stays set. So nothing waits for the device in a step, and
    :meth:`bad_step` finds the model as it was before the bad step, however late it asks. An optimiser that is not fused
    reads no flag: then the host asks before every step.
    """

    def __init__(self, optimizer: AdamW, device: torch.device):
        self.optimizer = optimizer
        self._bad = torch.zeros((), device=device)  # 1 from the first bad step on
        self._step = torch.zeros((), dtype=torch.int64, device=device)
        self._loss = torch.zeros((), device=device)

    @torch.no_grad()
    def take(self, step: int, loss: Tensor, *, clipped: Sequence[Sequence[Parameter]], clip: float) -> None:
        """Step down the gradients there are. loss: [] of this step; clipped: parameters whose gradients' norm is cut at
        ``clip`` together."""
        norms = [torch.nn.utils.clip_grad_norm_(group, clip).to(self._bad.device) for group in clipped]
        good = torch.isfinite(torch.stack([loss.float(), *norms])).all()
        fresh = ~good & (self._bad == 0)
        self._step = torch.where(fresh, step, self._step)
        self._loss = torch.where(fresh, loss.float(), self._loss)
        self._bad = torch.maximum(self._bad, (~good).float())
        if self.optimizer.fused:
            self.optimizer.found_inf = self._bad
        elif bool(self._bad):
            return
        self.optimizer.step()

    def bad_step(self) -> tuple[int, float] | None:
        """The first step whose loss or gradient was not finite, and its loss; None when all were. Waits for the
        device."""
        bad, step, loss = torch.stack([self._bad, self._step.float(), self._loss]).tolist()
        return (int(self._step), loss) if bad else None
