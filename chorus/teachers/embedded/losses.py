"""What the two decoders are taught."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WORD_TEMPERATURE = 0.05
PAIR_TEMPERATURE = 0.1
PURE = 0.75  # share of a patch one instance must hold for the patch to speak for it
_BOUNDARY_AT, _BOUNDARY_WIDTH = (
    0.5,
    0.1,
)  # the cosine taken for an even chance of one object, and how fast certainty grows


def word_loss(features: Tensor, shares: Tensor, *, words: Tensor, of: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy of the cosines with a sentence and those about other things, plus the distance to the sentence.

    features [..., D] unit; shares [..., M] of each patch's pixels in each sentence; words [M, D] unit; of [M] the thing
    of each sentence; weights [K] of things. What else is said of the same thing is no rival, and a thing much is said
    of rivals no more than another: its sentences count as their mean. The first term tells things apart, the second
    keeps features near the words themselves, so that words never trained on still have a meaning.
    """
    cosines = features @ words.T  # [..., M]
    near = ((cosines - 1) / WORD_TEMPERATURE).exp()
    things = (of[:, None] == torch.arange(len(weights), device=of.device)).to(near.dtype)  # [M, K]
    means = near @ (things / things.sum(dim=0).clamp_min(1))  # [..., K]
    rivals = (means.sum(dim=-1, keepdim=True) - means)[..., of].clamp_min(0)
    weighed = shares * weights[of]
    apart = (weighed * ((near + rivals).log() - (cosines - 1) / WORD_TEMPERATURE)).sum()
    away = (weighed * (1 - cosines)).sum()
    return (apart + away) / weighed.sum().clamp_min(1e-6)


def pair_loss(features: Tensor, instances: Tensor, classes: Tensor, view: Tensor) -> Tensor:
    """Supervised contrast (Khosla et al. 2020, their L_out) over patches of one room.

    features [n, D] unit; instances, classes, view [n] on the host, where it is found out who pairs with whom. Patches
    of one instance attract, others repel - except two instances of one class seen in different views, which nothing in
    the images need tell apart.
    """
    same = instances[:, None] == instances[None]
    unclear = (classes[:, None] == classes[None]) & ~same & (view[:, None] != view[None])
    itself = torch.eye(len(features), dtype=torch.bool)
    partners = (same & ~itself).sum(dim=1)
    paired = (partners > 0).nonzero()[:, 0]
    if not len(paired):
        return features.sum() * 0
    never, apart, partners, paired = (
        x.to(features.device, non_blocking=True) for x in (itself | unclear, ~same | itself, partners, paired)
    )
    logits = (features @ features.T / PAIR_TEMPERATURE).masked_fill(never, float("-inf"))
    log_share = (logits - logits.logsumexp(dim=1, keepdim=True)).masked_fill(apart, 0.0)
    return -(log_share.sum(dim=1) / partners.clamp_min(1))[paired].mean()


def boundary_loss(features: Tensor, instances: Tensor, shares: Tensor) -> Tensor:
    """Neighbouring patches: one object or two, from their cosine; both answers weigh the same.

    features [B, D, h, w] unit; instances, shares [B, h, w] of the commonest instance.
    """
    losses = []
    for dim in (1, 2):
        size = instances.shape[dim] - 1
        (ia, ib), (sa, sb) = ((x.narrow(dim, 0, size), x.narrow(dim, 1, size)) for x in (instances, shares))
        cosine = (features.narrow(dim + 1, 0, size) * features.narrow(dim + 1, 1, size)).sum(dim=1)
        known = (ia > 0) & (ib > 0) & (sa > PURE) & (sb > PURE)
        one = (ia == ib).float()
        loss = F.binary_cross_entropy_with_logits((cosine - _BOUNDARY_AT) / _BOUNDARY_WIDTH, one, reduction="none")
        for side in (one, 1 - one):
            weight = known * side
            losses.append((loss * weight).sum() / weight.sum().clamp_min(1))
    return torch.stack(losses).mean()
