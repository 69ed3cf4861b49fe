"""The views of a step: drawn, changed and named by the step's own generator, then seen by the trunk. Nothing of it is
kept: the trunk is a fifth of a step's cost, and no view is met twice in the same shape."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chorus.teachers.embedded.augment import augment
from chorus.teachers.embedded.bank import Bank
from chorus.teachers.embedded.labels import main_instance, on_grid, shares_of
from chorus.teachers.embedded.trunk import Pyramid, Trunk, patch_grid
from chorus.teachers.embedded.views import TrainingViews

NEIGHBORS = 3  # how far apart in the capture's order two neighbouring views may be
_LABELS = ("shares", "classes", "instances", "purity")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B views as the losses read them."""

    pyramid: Pyramid  # float32
    shares: Tensor  # [B, h, w, M] of each patch's pixels in items that each sentence was drawn for
    classes: Tensor  # [B, h, w] the thing of the commonest item
    instances: Tensor  # [B, h, w] the commonest item
    purity: Tensor  # [B, h, w] its share

    def to(self, device: torch.device) -> Batch:
        """Copied to a device."""
        pyramid = {stride: x.to(device, non_blocking=True) for stride, x in self.pyramid.items()}
        rest = {name: getattr(self, name).to(device, non_blocking=True) for name in _LABELS}
        return Batch(pyramid=pyramid, **rest)


def draw_batch(
    views: TrainingViews, trunk: Trunk, *, bank: Bank, pairs: int, weights: Tensor, generator: torch.Generator
) -> Batch:
    """``pairs`` pairs of neighbouring views of one room, one after the other: views of larger ``weights`` [V] come more
    often, each is changed in its own way, and each of its items called by a sentence of its own."""
    chosen = _pairs(views, pairs, weights, generator)
    pictures, numbered = views.images[chosen].float() / 255, views.instances[chosen].int()
    pictures, numbered = augment(pictures, numbered[..., None], generator)
    # the trunk sees whole cells of its coarsest stride
    instances = on_grid(numbered[..., 0], *patch_grid(*pictures.shape[1:3]))
    main, purity = main_instance(instances)
    said, classes = [], []
    for view, room in enumerate(views.room[chosen].tolist()):
        items = views.items[room]
        drawn = torch.tensor(bank.draw(items.things.tolist(), items.models, generator))
        said.append(drawn[instances[view].long()])
        classes.append(items.things[main[view].long()])
    return Batch(
        pyramid={stride: x.clone() for stride, x in trunk(pictures).items()},  # no longer tensors of inference alone
        shares=shares_of(torch.stack(said), len(bank) + 1)[..., 1:],
        classes=torch.stack(classes),
        instances=main,
        purity=purity,
    )


def _pairs(views: TrainingViews, pairs: int, weights: Tensor, generator: torch.Generator) -> Tensor:
    """[2 * pairs] view numbers: each drawn view followed by a neighbour from its room."""
    first = torch.multinomial(weights, pairs, replacement=True, generator=generator)
    hops = torch.randint(1, NEIGHBORS + 1, (pairs,), generator=generator)
    signs = torch.randint(0, 2, (pairs,), generator=generator) * 2 - 1
    second = (first + hops * signs).clamp(0, len(views) - 1)
    second = torch.where(views.room[second] == views.room[first], second, first)
    return torch.stack([first, second], dim=1).flatten()
