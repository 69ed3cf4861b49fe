"""The scenes of a training: held in memory, or opened one by one when a sample asks for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from chorus.distill.batches import Balance, TrainingScene, balancing_role
from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.train.schedule import generator_of, scene_of_step

SAMPLE = 16_384  # rows of all scenes that the centres of the balance are fitted on


class TrainingScenes(ABC):
    """names: of the scenes, in order; channels: role -> C, of all of them; labels_read: roles that bring labels."""

    names: list[str]
    channels: dict[str, int]
    labels_read: list[str]

    def __len__(self) -> int:
        return len(self.names)

    @abstractmethod
    def identity(self) -> Any:
        """Plain JSON that tells these scenes from others, without reading their targets."""

    @abstractmethod
    def balance(self, *, seed: int) -> Balance:
        """Centres of all scenes' targets, from a bounded sample."""

    def which(self, sample: int, seed: int) -> int:
        """The number of a sample's scene: every one once an epoch, in an order drawn for the epoch."""
        return scene_of_step(sample, len(self), seed)

    def expect(self, sample: int, seed: int) -> None:  # noqa: B027 - most scenes lie where they are read
        """Asked before a sample is opened: what it and those after it will need may be begun."""

    @abstractmethod
    def open(self, which: int, *, crop: int = 0, generator: torch.Generator | None = None) -> TrainingScene:
        """The scene of this number, or ``crop`` of its Gaussians in one place, which the generator draws."""


class HeldScenes(TrainingScenes):
    """Scenes whose targets lie in memory. Raises InputError for none, and for those that do not fit together."""

    def __init__(self, scenes: Sequence[TrainingScene]):
        if not scenes:
            raise InputError(
                "distillation",
                expected="at least one training scene",
                got="none",
                fix="Make targets of the training scenes first.",
            )
        for scene in scenes:
            scene.check()
            check_roles(scene.name, scene.channels, like=scenes[0].channels, of=scenes[0].name)
        self.scenes, self.names, self.channels = scenes, [scene.name for scene in scenes], scenes[0].channels
        self.labels_read = sorted({role for scene in scenes for role in scene.labels})

    def identity(self) -> Any:
        return [[scene.name, *map(summary, _tensors(scene))] for scene in self.scenes]

    def balance(self, *, seed: int) -> Balance:
        role, generator = balancing_role(self.channels), generator_of(seed, 8)
        each = max(1, SAMPLE // len(self))
        found = []
        for scene in self.scenes:
            rows = torch.nonzero(scene.valid[role])[:, 0]
            found.append(scene.target(role, rows[torch.randperm(len(rows), generator=generator)[:each]]))
        return Balance.fit(role, torch.cat(found), seed=seed)

    def open(self, which: int, *, crop: int = 0, generator: torch.Generator | None = None) -> TrainingScene:
        scene = self.scenes[which]
        if not crop or crop >= len(scene.scene) or generator is None:
            return scene
        rows = crop_rows(scene.scene, crop, among=scene.valid[balancing_role(self.channels)], generator=generator)
        return scene.select(rows)


def check_roles(name: str, channels: Mapping[str, int], *, like: Mapping[str, int], of: str) -> None:
    """Raise InputError where a scene's roles and widths are not those of another."""
    if channels != like:
        raise InputError(
            f"training scene {name}",
            expected=f"the roles and widths of {of}, {_listed(like)}",
            got=_listed(channels),
            fix="Make the targets of both with the same teachers.",
        )


def crop_rows(scene: GaussianScene, count: int, *, among: Tensor, generator: torch.Generator) -> Tensor:
    """[count] int64, ascending: the Gaussians nearest in plan to one drawn ``among`` [N] bool: an upright column, so
    that a crop keeps its floor and its ceiling."""
    candidates = torch.nonzero(among)[:, 0] if bool(among.any()) else torch.arange(len(scene))
    drawn = candidates[int(torch.randint(len(candidates), (), generator=generator))]
    apart = (scene.means[:, :2] - scene.means[drawn, :2]).square().sum(dim=1)
    return apart.topk(min(count, len(apart)), largest=False).indices.sort().values


def _listed(channels: Mapping[str, int]) -> str:
    return ", ".join(f"{role} {count}" for role, count in channels.items()) or "none"


def _tensors(scene: TrainingScene) -> list[Tensor]:
    return [scene.scene.means, *(x for _, x in sorted(scene.targets.items()) if isinstance(x, Tensor))]


def summary(tensor: Tensor) -> str:
    """Enough to tell one scene's numbers from another's."""
    return f"{tuple(tensor.shape)} {float(tensor.double().sum())!r}"
