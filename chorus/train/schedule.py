"""What every training here does alike: which rate at which step, which weights decay, which numbers are drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch.nn import Parameter

from chorus.train.adamw import AdamW


def schedule(step: int, steps: int, warmup: float) -> float:
    """Factor on the rate: linear over the first ``warmup`` share of steps, then a cosine to 1 %."""
    rise = max(1, int(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def set_rate(optimizer: AdamW, rate: float) -> None:
    """The same rate for every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def parameter_groups(parameters: Iterable[Parameter], weight_decay: float) -> list[dict]:
    """Of those that learn: weights decay; biases and norms do not."""
    learning = [p for p in parameters if p.requires_grad]
    return [
        {"params": [p for p in learning if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0},
    ]


def generator_of(*numbers: int) -> torch.Generator:
    """A generator seeded by numbers below 2^20 each, so that step k draws the same whether or not step k - 1 ran in
    this process."""
    seed = 0
    for number in numbers:
        seed = (seed * 1048583 + number + 1) % (2**63 - 25)
    return torch.Generator().manual_seed(seed)


def scene_of_step(step: int, scenes: int, seed: int) -> int:
    """Every scene once an epoch, in an order drawn for the epoch."""
    epoch, place = divmod(step, scenes)
    return int(torch.randperm(scenes, generator=generator_of(seed, 1, epoch))[place])
