"""The distillation losses (Chorus, arXiv 2512.17817, eq. 4-6)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from chorus.encoder.heads import Head

KEPT_BYTES, KEPT_ON_CARD = 2**30, 2**33  # of a head and its loss: more are not kept for the backward pass
HIDDEN_BYTES = 2**28  # of a block of hidden rows then


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


def kept_bytes(head: Head, *, cells: int, rows: int) -> int:
    """What a head over ``cells`` voxels and its loss over ``rows`` Gaussians keep for the backward pass, float32:
    hidden rows before and after GELU, answers, and of each Gaussian answer, target and their difference."""
    return 4 * (cells * (2 * head.width + head.channels) + 3 * rows * head.channels)


def match_in_blocks(
    head: Head, upcast: Tensor, *, place: Tensor, target: Callable[[Tensor], Tensor], block: int | None = None
) -> Tensor:
    """match_loss(head(upcast)[place], target(every row)), with neither held whole: a block of ``upcast`` at a time,
    each computed once more in the backward pass.

    upcast: [D, in] on the device; place: [R] rows of it, on the host; target: rows [r] of place -> [r, C] on the
    device; block: rows of upcast, as many as HIDDEN_BYTES hold when None.
    """
    place, order = place.sort(stable=True)
    size = block or max(1, HIDDEN_BYTES // (4 * head.width))
    ends = torch.searchsorted(place, torch.arange(0, len(upcast) + size, size)).tolist()
    losses = []
    for number, (start, end) in enumerate(zip(ends, ends[1:], strict=False)):
        if end == start:
            continue
        local = (place[start:end] - number * size).to(upcast.device, non_blocking=True)

        def matched(part: Tensor, local: Tensor = local, rows: Tensor = order[start:end]) -> Tensor:
            return match_loss(head(part).index_select(0, local).float(), target(rows))

        part = upcast[number * size : (number + 1) * size]
        losses.append(checkpoint(matched, part, use_reentrant=False) * ((end - start) / len(place)))
    return torch.stack(losses).sum()


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
