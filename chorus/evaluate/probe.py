"""Linear probe: what a single linear layer reads from frozen features, trained on labelled training rooms only."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chorus.errors import InputError

BATCH = 2048  # rows a step
RATE, DECAY = 0.02, 1e-4


@dataclass(frozen=True)
class Probe:
    """A standardisation and a linear layer: ids = argmax((x - mean) / scale @ weight + bias)."""

    mean: Tensor  # [D]
    scale: Tensor  # [D]
    weight: Tensor  # [D, T]
    bias: Tensor  # [T]

    def logits(self, features: np.ndarray) -> Tensor:
        """[N, T] from features [N, D]."""
        x = torch.as_tensor(np.asarray(features, np.float32))
        return ((x - self.mean) / self.scale) @ self.weight + self.bias

    def classify(self, features: np.ndarray) -> np.ndarray:
        """[N] class ids."""
        return self.logits(features).argmax(dim=1).numpy()


def train(features: np.ndarray, labels: np.ndarray, classes: int, *, steps: int, seed: int) -> Probe:
    """Fit a probe by ``steps`` steps of AdamW with cosine decay; the same numbers for the same seed.

    features: [N, D]; labels: [N] class ids, rows outside 0..classes-1 are left out. A class weighs 1 / sqrt(its rows),
    so that walls do not drown the rest. Raises InputError when no row has a label.
    """
    keep = (labels >= 0) & (labels < classes)
    if not keep.any():
        raise InputError(
            "linear probe",
            expected="labelled training rows",
            got="none",
            fix="Probe with rooms whose capture has labels.",
        )
    x = torch.as_tensor(np.asarray(features, np.float32)[keep])
    y = torch.as_tensor(np.asarray(labels, np.int64)[keep])
    mean, scale = x.mean(dim=0), x.std(dim=0, unbiased=False).clamp_min(1e-6)
    x = (x - mean) / scale
    balance = torch.bincount(y, minlength=classes).clamp_min(1).float().rsqrt()
    weight, moments = (
        x.new_zeros(x.shape[1] + 1, classes),
        x.new_zeros(2, x.shape[1] + 1, classes),
    )  # the last row is the bias
    x = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        rows = torch.randint(len(x), (min(BATCH, len(x)),), generator=generator)
        gradient = _gradient(x[rows], y[rows], weight, balance)
        _adamw(weight, gradient, moments, step=step + 1, rate=RATE * 0.5 * (1 + math.cos(math.pi * step / steps)))
    return Probe(mean, scale, weight[:-1], weight[-1])


def _gradient(x: Tensor, y: Tensor, weight: Tensor, balance: Tensor) -> Tensor:
    """[D, T] of the weighted cross-entropy of softmax(x [B, D] @ weight [D, T]) with y [B], by hand."""
    error = (x @ weight).softmax(dim=1)
    error[torch.arange(len(y)), y] -= 1.0
    share = balance[y] / balance[y].sum()
    return x.T @ (error * share[:, None])


def _adamw(weight: Tensor, gradient: Tensor, moments: Tensor, *, step: int, rate: float) -> None:
    """One step in place (Loshchilov and Hutter 2019); torch.optim would import its compiler, which costs seconds at
    every start."""
    moments[0].lerp_(gradient, 0.1)
    moments[1].lerp_(gradient.square(), 0.001)
    first, second = moments[0] / (1 - 0.9**step), moments[1] / (1 - 0.999**step)
    weight.mul_(1 - rate * DECAY).sub_(rate * first / (second.sqrt() + 1e-8))


def sample(count: int, rows: int, *, seed: int) -> np.ndarray:
    """At most ``rows`` of ``count`` row numbers, sorted, by seed."""
    if count <= rows:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, rows, replace=False))
