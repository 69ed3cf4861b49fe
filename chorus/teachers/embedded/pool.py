"""Augmented training views with the trunk's features of them, made once and met several times: the trunk is most of a
step's cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from chorus.teachers.embedded.augment import augment
from chorus.teachers.embedded.labels import TrainingViews, class_shares, main_instance, on_grid
from chorus.teachers.embedded.trunk import CHANNELS, Pyramid, Trunk, patch_grid

NEIGHBORS = 3  # how far apart in the capture's order two neighbouring views may be
_BATCH = 8
_LABELS = ("shares", "classes", "instances", "purity")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """B views as the losses read them."""

    pyramid: Pyramid  # float32
    shares: Tensor  # [B, h, w, K] of each patch's pixels in each class
    classes: Tensor  # [B, h, w] the commonest class
    instances: Tensor  # [B, h, w] the commonest instance
    purity: Tensor  # [B, h, w] its share

    def to(self, device: torch.device) -> Batch:
        """Copied to a device."""
        pyramid = {stride: x.to(device, non_blocking=True) for stride, x in self.pyramid.items()}
        rest = {name: getattr(self, name).to(device, non_blocking=True) for name in _LABELS}
        return Batch(pyramid=pyramid, **rest)


@dataclass(frozen=True, kw_only=True)
class Pool:
    """M pairs of neighbouring views of one room, as (M, 2, ...) arrays in half precision."""

    pyramid: Pyramid
    shares: Tensor
    classes: Tensor
    instances: Tensor
    purity: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, pairs: Tensor, *, flip: bool) -> Batch:
        """The pairs' views [2 B], mirrored when ``flip``: the trunk's features of a mirrored view are nearly its
        mirrored features."""

        def pick(x: Tensor, across: int) -> Tensor:
            x = x[pairs].flatten(0, 1)
            return x.flip(across) if flip else x

        return Batch(
            pyramid={
                stride: pick(x, 3).float().contiguous(memory_format=torch.channels_last)
                for stride, x in self.pyramid.items()
            },
            shares=pick(self.shares, 2).float(),
            classes=pick(self.classes, 2),
            instances=pick(self.instances, 2),
            purity=pick(self.purity, 2).float(),
        )


def make_pool(
    views: TrainingViews,
    trunk: Trunk,
    *,
    pairs: int,
    weights: Tensor,
    generator: torch.Generator,
    progress: Callable[[int], None] | None = None,
) -> Pool:
    """Draw ``pairs`` pairs, views of larger ``weights`` [V] more often, augment each view in its own way, and run the
    trunk."""
    chosen = _pairs(views, pairs, weights, generator)  # [2 M]
    parts: dict[str | int, list[Tensor]] = {}
    for done, index in enumerate(chosen.split(_BATCH)):
        images, labels = augment(views.images[index].float() / 255, views.labels[index], generator)
        labels = on_grid(labels, *patch_grid(*images.shape[1:3]))  # the trunk sees whole cells of its coarsest stride
        shares = class_shares(labels[..., 0], len(views.names))
        instances, purity = main_instance(labels[..., 1])
        made = {
            "shares": shares.half(),
            "classes": main_instance(labels[..., 0])[0],
            "instances": instances,
            "purity": purity.half(),
        }
        for name, x in (made | {stride: x.half().cpu() for stride, x in trunk(images).items()}).items():
            parts.setdefault(name, []).append(x)
        if progress:
            progress(min((done + 1) * _BATCH, len(chosen)))
    arrays = {}
    for name in list(parts):
        arrays[name] = torch.cat(parts.pop(name)).unflatten(0, (pairs, 2))
    return Pool(pyramid={stride: arrays.pop(stride) for stride in CHANNELS}, **arrays)


def _pairs(views: TrainingViews, pairs: int, weights: Tensor, generator: torch.Generator) -> Tensor:
    """[2 M] view numbers: each drawn view followed by a neighbour from its room."""
    first = torch.multinomial(weights, pairs, replacement=True, generator=generator)
    hops = torch.randint(1, NEIGHBORS + 1, (pairs,), generator=generator)
    signs = torch.randint(0, 2, (pairs,), generator=generator) * 2 - 1
    second = (first + hops * signs).clamp(0, len(views) - 1)
    second = torch.where(views.room[second] == views.room[first], second, first)
    return torch.stack([first, second], dim=1).flatten()
