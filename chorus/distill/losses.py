"""The distillation losses (Chorus, arXiv 2512.17817, eq. 4-6)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def match_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Mean over rows of (1 - cos(p, f)) + SmoothL1(p, f).

    predicted, target: [R, C], valid rows only, in the standardised (PHI-S) space: not unit vectors but channels of
    variance 1. SmoothL1 (beta 1) is averaged over channels, which in that space makes it about as large as the cosine
    part. (On unit vectors the same average would make it negligible, and a sum would make it 1 - cos once more.)
    """
    lengths = torch.linalg.vector_norm(predicted, dim=1) * torch.linalg.vector_norm(target, dim=1)
    cosine = torch.linalg.vecdot(predicted, target) / lengths.clamp_min(
        1e-8
    )  # F.cosine_similarity takes twice as long here
    return (1.0 - cosine).mean() + F.smooth_l1_loss(predicted, target)


def contrastive_loss(
    features: Tensor, labels: Tensor, generator: torch.Generator, *, least: int = 100, temperature: float = 0.2
) -> Tensor:
    """Pull together the two halves of every label: features [R, C], labels [R] int, negative where unlabelled.

    Each label with at least ``least`` rows is split at random; halves are averaged and normalised; the mean of the two
    cross-entropies of A B^T / temperature. Zero with fewer than two such labels. Labels stay on the host, wherever the
    features are. Reads labels: off unless the data has them and they are asked for.
    """
    groups = [torch.nonzero(labels == label)[:, 0] for label in torch.unique(labels[labels >= 0])]
    groups = [rows for rows in groups if len(rows) >= least]
    if len(groups) < 2:
        return features.sum() * 0.0
    halves = []
    for rows in groups:
        rows = rows[torch.randperm(len(rows), generator=generator)]
        halves.append((features[rows[: len(rows) // 2]].mean(dim=0), features[rows[len(rows) // 2 :]].mean(dim=0)))
    a, b = (F.normalize(torch.stack(half), dim=1) for half in zip(*halves, strict=True))
    logits = a @ b.T / temperature
    own = torch.arange(len(groups), device=logits.device)
    return (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)) / 2
