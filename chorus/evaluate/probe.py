"""Linear probe: what a single linear layer reads from frozen features, trained on labelled training rooms only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chorus.errors import InputError

BATCH = 4096  # rows a step
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

    features: [N, D]; labels: [N] class ids, rows outside 0..classes-1 are left out. A class weighs 1 / sqrt(its rows), so that
    walls do not drown the rest. Raises InputError when no row has a label.
    """
    keep = (labels >= 0) & (labels < classes)
    if not keep.any():
        raise InputError("linear probe", expected="labelled training rows", got="none", fix="Probe with rooms whose capture has labels.")
    x = torch.as_tensor(np.asarray(features, np.float32)[keep])
    y = torch.as_tensor(np.asarray(labels, np.int64)[keep])
    mean, scale = x.mean(dim=0), x.std(dim=0, unbiased=False).clamp_min(1e-6)
    x = (x - mean) / scale
    balance = torch.bincount(y, minlength=classes).clamp_min(1).float().rsqrt()
    weight = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimiser = torch.optim.AdamW([weight, bias], lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randint(len(x), (min(BATCH, len(x)),), generator=generator)
        loss = torch.nn.functional.cross_entropy(x[rows] @ weight + bias, y[rows], weight=balance)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    return Probe(mean, scale, weight.detach(), bias.detach())


def sample(count: int, rows: int, *, seed: int) -> np.ndarray:
    """At most ``rows`` of ``count`` row numbers, sorted, by seed."""
    if count <= rows:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, rows, replace=False))
