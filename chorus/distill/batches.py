"""What a training step sees: the Gaussians of a room, those the loss looks at, and their targets."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.train.schedule import generator_of

CLUSTERS = 48  # of targets, for balance
CHOSEN = "lang"  # the role whose targets balance the sample, where there is one


@dataclass(frozen=True, kw_only=True)
class TrainingScene:
    """A scene with its lifted targets by role, in the standardised space."""

    name: str
    scene: GaussianScene  # floor-aligned, metres
    targets: dict[str, Tensor]  # role -> [N, C], half or float
    valid: dict[str, Tensor]  # role -> [N] bool
    labels: dict[str, Tensor] = field(
        default_factory=dict, repr=False
    )  # role -> [N] int, negative where none; empty: no label is read

    def check(self) -> None:
        """Raise InputError when targets and Gaussians do not agree, or nothing is valid."""
        for role, target in self.targets.items():
            if target.ndim != 2 or len(target) != len(self.scene) or self.valid[role].shape != (len(self.scene),):
                raise InputError(
                    f"training scene {self.name}",
                    expected=f"{role} targets for {len(self.scene)} Gaussians",
                    got=list(target.shape),
                )
            rows = self.valid[role]
            if not bool(rows.any()):
                raise InputError(
                    f"training scene {self.name}",
                    expected=f"Gaussians with a valid {role} target",
                    got="none",
                    fix="Leave the scene out.",
                )
            if not bool(torch.isfinite(target[rows]).all()):
                raise InputError(
                    f"training scene {self.name}",
                    expected=f"finite {role} targets",
                    got="NaN or infinity",
                    fix="Make the targets again.",
                )


def cluster_targets(
    scenes: list[TrainingScene],
    *,
    clusters: int = CLUSTERS,
    seed: int = 0,
    rounds: int = 10,
    device: torch.device | str = "cpu",
) -> list[Tensor]:
    """[N] int64 per scene: the nearest of k centres of the targets (k-means on a sample of all scenes), -1 where not
    valid. Computed on ``device``, a scene at a time.

    Balance comes from what teachers see, never from labels.
    """
    role = CHOSEN if CHOSEN in scenes[0].targets else sorted(scenes[0].targets)[0]
    generator = generator_of(seed, 2)
    sample = torch.cat([_some(scene.targets[role][scene.valid[role]].float(), 1000, generator) for scene in scenes])
    centers = sample[torch.randperm(len(sample), generator=generator)[:clusters]].to(device)
    sample = sample.to(device)
    for _ in range(rounds):
        nearest = _nearest(sample, centers)
        sums = torch.zeros_like(centers).index_add_(0, nearest, sample)
        counts = torch.bincount(nearest, minlength=len(centers)).clamp_min(1)
        centers = sums / counts[:, None]
    found = [_nearest(scene.targets[role].to(device).float(), centers).cpu() for scene in scenes]
    return [torch.where(scene.valid[role], ids, -1) for scene, ids in zip(scenes, found, strict=True)]


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


def _some(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return x[torch.randperm(len(x), generator=generator)[:count]]
