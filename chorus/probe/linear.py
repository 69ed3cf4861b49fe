"""Linear probe: what a single linear layer reads from frozen features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import overload

import numpy as np
import torch
from torch import Tensor

from chorus.errors import InputError
from chorus.metrics import miou
from chorus.probe.labels import class_count, matched

BATCH = 2048  # rows a step
RATE, DECAY = 0.02, 1e-4
Features = np.ndarray | Sequence[np.ndarray]  # [N, D], or of several scenes


class LinearProbe:
    """A standardisation and a linear layer: ids = argmax((x - mean_) / scale_ @ weight_ + bias_).

    classes: how many there are; the labels' largest + 1 when None. steps: of AdamW with cosine decay; the same numbers
    for the same seed. After ``fit``: mean_, scale_ [D], weight_ [D, T], bias_ [T], classes_.
    """

    mean_: Tensor
    scale_: Tensor
    weight_: Tensor
    bias_: Tensor
    classes_: int

    def __init__(self, classes: int | None = None, *, steps: int = 300, seed: int = 0):
        self.classes, self.steps, self.seed = classes, steps, seed

    def fit(self, features: Features, labels: Features) -> LinearProbe:
        """Learn from features [N, D] and class ids [N], or from one such pair a scene; rows whose id is outside
        0..classes-1 are left out.

        A class weighs 1 / sqrt(its rows), so that walls do not drown the rest. Raises InputError when no row has a
        label, and where features and labels do not agree.
        """
        rows, ids = (np.concatenate(side) for side in matched("linear probe", features, labels))
        if rows.ndim != 2:
            raise InputError("linear probe", expected="features [N, D]", got=list(rows.shape))
        self.classes_ = class_count("linear probe", ids, self.classes)
        keep = (ids >= 0) & (ids < self.classes_)
        x = torch.as_tensor(np.asarray(rows, np.float32)[keep])
        y = torch.as_tensor(np.asarray(ids, np.int64)[keep])
        if not bool(torch.isfinite(x).all()):
            raise InputError("linear probe", expected="finite features", got="NaN or infinity")
        self.mean_, self.scale_ = x.mean(dim=0), x.std(dim=0, unbiased=False).clamp_min(1e-6)
        x = (x - self.mean_) / self.scale_
        balance = torch.bincount(y, minlength=self.classes_).clamp_min(1).float().rsqrt()
        weight = x.new_zeros(x.shape[1] + 1, self.classes_)  # the last row is the bias
        moments = x.new_zeros(2, *weight.shape)
        x = torch.cat([x, x.new_ones(len(x), 1)], dim=1)
        generator = torch.Generator().manual_seed(self.seed)
        for step in range(self.steps):
            drawn = torch.randint(len(x), (min(BATCH, len(x)),), generator=generator)
            gradient = _gradient(x[drawn], y[drawn], weight, balance)
            rate = RATE * 0.5 * (1 + math.cos(math.pi * step / self.steps))
            _adamw(weight, gradient, moments, step=step + 1, rate=rate)
        self.weight_, self.bias_ = weight[:-1], weight[-1]
        return self

    def logits(self, features: np.ndarray) -> Tensor:
        """[N, T] from features [N, D]. Raises InputError before ``fit``, and for another width than it saw."""
        if not hasattr(self, "weight_"):
            raise InputError("linear probe", expected="a fitted probe", got="one that learnt nothing", fix="Call fit.")
        x = torch.as_tensor(np.asarray(features, np.float32))
        if x.ndim != 2 or x.shape[1] != len(self.mean_):
            raise InputError("linear probe", expected=f"features [N, {len(self.mean_)}]", got=list(x.shape))
        return ((x - self.mean_) / self.scale_) @ self.weight_ + self.bias_

    @overload
    def predict(self, features: np.ndarray) -> np.ndarray: ...

    @overload
    def predict(self, features: Sequence[np.ndarray]) -> list[np.ndarray]: ...

    def predict(self, features: Features) -> np.ndarray | list[np.ndarray]:
        """[N] class ids of features [N, D]; of several scenes a list."""
        if isinstance(features, np.ndarray):
            return self.logits(features).argmax(dim=1).numpy()
        return [self.predict(one) for one in features]

    def score(self, features: Features, labels: Features) -> float:
        """mIoU in percent over the classes the labels hold, of all scenes together."""
        scenes, truth = matched("linear probe", features, labels)
        return miou(truth, self.predict(scenes), self.classes_)


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
