"""What a training step sees: the Gaussians of a room or of a part of it, those the loss looks at, and their targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.train.schedule import generator_of

CLUSTERS = 48  # of targets, for balance
CHOSEN = "lang"  # the role whose targets balance the sample, where there is one


@dataclass(frozen=True)
class CompactTargets:
    """Targets [n, C] as offset + z @ matrix: rows are worked out when they are asked for, where they are needed."""

    z: Tensor  # [n, k] half
    matrix: Tensor  # [k, C] float32
    offset: Tensor  # [C] float32

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.z), len(self.offset)

    def __len__(self) -> int:
        return len(self.z)


Targets = Tensor | CompactTargets


@dataclass(frozen=True, kw_only=True)
class TrainingScene:
    """A scene, or a crop of one, with its lifted targets by role, in the standardised space."""

    name: str
    scene: GaussianScene  # floor-aligned, metres
    targets: Mapping[str, Targets]  # role -> [N, C]
    valid: Mapping[str, Tensor]  # role -> [N] bool
    labels: Mapping[str, Tensor] = field(
        default_factory=dict, repr=False
    )  # role -> [N] int, negative where none; empty: no label is read

    @property
    def channels(self) -> dict[str, int]:
        """Role -> C."""
        return {role: target.shape[1] for role, target in sorted(self.targets.items())}

    def target(self, role: str, rows: Tensor, device: torch.device | str = "cpu") -> Tensor:
        """[R, C] float32 on the device: the role's targets of these rows [R]."""
        found = self.targets[role]
        if isinstance(found, Tensor):
            return found[rows].to(device, non_blocking=True).float()
        z, matrix, offset = (x.to(device, non_blocking=True) for x in (found.z[rows], found.matrix, found.offset))
        return torch.addmm(offset, z.float(), matrix)

    def select(self, rows: Tensor) -> TrainingScene:
        """These Gaussians [R] of it alone."""
        targets = {
            role: found[rows] if isinstance(found, Tensor) else replace(found, z=found.z[rows])
            for role, found in self.targets.items()
        }
        valid, labels = ({role: each[rows] for role, each in kept.items()} for kept in (self.valid, self.labels))
        return replace(self, scene=self.scene.select(rows), targets=targets, valid=valid, labels=labels)

    def check(self) -> None:
        """Raise InputError when targets and Gaussians do not agree, or nothing is valid."""
        where = f"training scene {self.name}"
        for role, target in self.targets.items():
            if len(target.shape) != 2 or len(target) != len(self.scene) or self.valid[role].shape != (len(self.scene),):
                expected = f"{role} targets for {len(self.scene)} Gaussians"
                raise InputError(where, expected=expected, got=list(target.shape))
            rows = self.valid[role]
            if not bool(rows.any()):
                expected = f"Gaussians with a valid {role} target"
                raise InputError(where, expected=expected, got="none", fix="Leave the scene out.")
            if isinstance(target, Tensor) and not bool(torch.isfinite(target[rows]).all()):
                expected = f"finite {role} targets"
                raise InputError(where, expected=expected, got="NaN or infinity", fix="Make the targets again.")


@dataclass(frozen=True)
class Balance:
    """Centres of the targets of all scenes: what teachers see alike makes a cluster. Balance never reads labels."""

    role: str
    centers: Tensor  # [K, C] float32

    @classmethod
    def fit(cls, role: str, sample: Tensor, *, clusters: int = CLUSTERS, seed: int = 0, rounds: int = 10) -> Balance:
        """k-means over a sample [n, C] of all scenes' valid targets."""
        centers = sample[torch.randperm(len(sample), generator=generator_of(seed, 2))[:clusters]]
        for _ in range(rounds):
            nearest = _nearest(sample, centers)
            sums = torch.zeros_like(centers).index_add_(0, nearest, sample)
            centers = sums / torch.bincount(nearest, minlength=len(centers)).clamp_min(1)[:, None]
        return cls(role, centers)

    def clusters(self, scene: TrainingScene) -> Tensor:
        """[N] int64: the nearest centre of each Gaussian's target, -1 where it has none."""
        target = scene.targets[self.role]
        if isinstance(target, Tensor):
            nearest = _nearest(target.float(), self.centers)
        else:  # in the coefficients: |offset + z M - c|^2 without what is alike for all c
            fixed = (self.centers - target.offset).square().sum(dim=1)
            nearest = torch.addmm(fixed, target.z.float(), target.matrix @ (target.offset - self.centers).T, alpha=2.0)
            nearest = nearest.argmin(dim=1)
        return torch.where(scene.valid[self.role], nearest, -1)


def balancing_role(roles: Mapping[str, object]) -> str:
    """The role whose targets balance the sample."""
    return CHOSEN if CHOSEN in roles else sorted(roles)[0]


def draw_rows(clusters: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """``count`` Gaussians [R], sorted, drawn with replacement; a cluster of n rows is drawn in proportion to sqrt(n).

    clusters: [N] ids of this scene, -1 never drawn.
    """
    sizes = torch.bincount(clusters + 1)  # [K + 1], first the rows left out
    weight = sizes.clamp_min(1).double().rsqrt()
    weight[0] = 0.0
    cumulative = weight[clusters + 1].cumsum(0)
    draws = torch.rand(count, generator=generator, dtype=torch.float64) * cumulative[-1]
    return torch.searchsorted(cumulative, draws, right=True).clamp_max(len(clusters) - 1).sort().values


def _nearest(x: Tensor, centers: Tensor) -> Tensor:
    return ((centers * centers).sum(dim=1) - 2 * x @ centers.T).argmin(dim=1)
