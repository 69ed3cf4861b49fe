"""Adam over named groups of rows that come and go."""

from __future__ import annotations

import torch
from torch import Tensor

_BETA1, _BETA2, _EPS = 0.9, 0.99, 1e-15  # a short second moment: a fit has hundreds of steps, not tens of thousands


class RowAdam:
    """Adam (Kingma and Ba 2015) on tensors [N, ...] that share their rows: one learning rate a tensor, rows replaced or
    added at will."""

    def __init__(self, params: dict[str, Tensor], rates: dict[str, float]):
        self.params = {name: tensor.detach().clone().requires_grad_(True) for name, tensor in params.items()}
        self.rates = dict(rates)
        self._mean = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
        self._square = {name: torch.zeros_like(tensor) for name, tensor in params.items()}
        self._steps = 0

    def __len__(self) -> int:
        return len(next(iter(self.params.values())))

    @torch.no_grad()
    def step(self, factor: float = 1.0) -> None:
        """One update with every rate times ``factor``; gradients are cleared. Rows with a NaN gradient stay where they
        are."""
        self._steps += 1
        bias1, bias2 = 1 - _BETA1**self._steps, 1 - _BETA2**self._steps
        for name, tensor in self.params.items():
            if tensor.grad is None:
                continue
            grad, mean, square = tensor.grad.nan_to_num_(0.0), self._mean[name], self._square[name]
            mean.lerp_(grad, 1 - _BETA1)
            square.mul_(_BETA2).addcmul_(grad, grad, value=1 - _BETA2)
            denominator = (square / bias2).sqrt_().add_(_EPS)
            tensor.addcdiv_(mean, denominator, value=-self.rates[name] * factor / bias1)
            tensor.grad = None

    @torch.no_grad()
    def replace(self, rows: Tensor, values: dict[str, Tensor]) -> None:
        """Overwrite rows [M] and forget their moments."""
        for name, tensor in self.params.items():
            tensor[rows] = values[name].to(tensor)
            self._mean[name][rows] = 0.0
            self._square[name][rows] = 0.0

    @torch.no_grad()
    def append(self, values: dict[str, Tensor]) -> None:
        """Add rows [M, ...] with empty moments."""
        for name, tensor in self.params.items():
            new = values[name].to(tensor)
            self.params[name] = torch.cat([tensor.detach(), new]).requires_grad_(True)
            self._mean[name] = torch.cat([self._mean[name], torch.zeros_like(new)])
            self._square[name] = torch.cat([self._square[name], torch.zeros_like(new)])

    @torch.no_grad()
    def keep(self, rows: Tensor) -> None:
        """Drop all rows but those of a mask or index [M]."""
        for name, tensor in self.params.items():
            self.params[name] = tensor.detach()[rows].clone().requires_grad_(True)
            self._mean[name], self._square[name] = self._mean[name][rows], self._square[name][rows]
