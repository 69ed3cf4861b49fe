"""Ground-truth points of a capture: what every figure of the evaluation is counted on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from chorus.capture import Capture
from chorus.errors import InputError


@dataclass(frozen=True, kw_only=True)
class TruthPoints:
    """P labelled surface points. semantic: [P] int64 class ids of whoever made them, -1 unlabelled; instance: [P], 0
    none."""

    positions: np.ndarray  # [P, 3] float32, m, world
    semantic: np.ndarray  # [P]
    instance: np.ndarray  # [P]

    def __len__(self) -> int:
        return len(self.positions)

    def renamed(self, own: tuple[str, ...], names: tuple[str, ...]) -> TruthPoints:
        """Class ids of another list of names; a name that is not in it becomes -1."""
        table = np.array([names.index(name) if name in names else -1 for name in own] + [-1], np.int64)
        return TruthPoints(positions=self.positions, semantic=table[self.semantic], instance=self.instance)


def labeled_pixels(capture: Capture) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every labelled pixel with depth as a world point: positions [M, 3] m, semantic [M], instance [M].

    Raises InputError when the capture has no depth or no labels.
    """
    if capture.depth is None or capture.semantic is None:
        raise InputError(
            "ground truth",
            expected="a capture with depth and semantic labels",
            got="one without",
            fix="Evaluate on labelled homes.",
        )
    known = (capture.depth > 0) & (capture.semantic > 0)
    world = [capture.cameras.unproject(v, depth)[known[v]] for v, depth in enumerate(capture.depth)]
    instance = np.zeros_like(capture.semantic) if capture.instance is None else capture.instance
    return np.concatenate(world), capture.semantic[known].astype(np.int64), instance[known].astype(np.int64)


def truth_points(capture: Capture, *, grid: float) -> TruthPoints:
    """All views' labelled depth, thinned to one point in a voxel of ``grid`` metres.

    A voxel's point is the mean of its pixels' points and its label the one most of them carry.
    """
    world, semantic, instance = labeled_pixels(capture)
    if len(world) == 0:
        raise InputError("ground truth", expected="labelled pixels with depth", got="none")
    cells = np.floor((world - world.min(axis=0)) / grid).astype(np.int64)
    size = cells.max(axis=0) + 1
    key = (cells[:, 0] * size[1] + cells[:, 1]) * size[2] + cells[:, 2]
    _, voxel, count = np.unique(key, return_inverse=True, return_counts=True)
    mean = np.stack([np.bincount(voxel, world[:, axis]) / count for axis in range(3)], axis=1)
    label = _majority(voxel, (semantic << 16) | instance, len(count))
    return TruthPoints(positions=mean.astype(np.float32), semantic=label >> 16, instance=label & 0xFFFF)


def _majority(group: np.ndarray, label: np.ndarray, groups: int) -> np.ndarray:
    """[groups] the commonest label < 2^24 of each group, the smallest among equals."""
    pairs, votes = np.unique((group << 24) | label, return_counts=True)
    owner = pairs >> 24
    order = np.lexsort((-(pairs & 0xFFFFFF), votes, owner))  # within an owner the winner comes last
    last = np.searchsorted(owner[order], np.arange(groups), side="right") - 1
    return pairs[order][last] & 0xFFFFFF


def truth_of(positions: np.ndarray, truth: TruthPoints, *, reach: float) -> tuple[np.ndarray, np.ndarray]:
    """Class and instance [N] of the nearest ground-truth point within ``reach`` m; -1 and 0 where there is none."""
    distance, index = cKDTree(truth.positions).query(positions, distance_upper_bound=reach)
    found = np.isfinite(distance)
    index = np.where(found, index, 0)
    return np.where(found, truth.semantic[index], -1), np.where(found, truth.instance[index], 0)
