"""Where Gaussians start: pixels with known depth, points, or pixels whose depth a first render tells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from chorus.cameras import Cameras, pixel_rays
from chorus.scene import SH_C0

_OPACITY = 0.9  # of a new Gaussian
_THICKNESS = 0.2  # of a disk, relative to its radius


@dataclass(frozen=True)
class Seeds:
    """Candidate places for Gaussians."""

    points: np.ndarray  # [M, 3] m
    colors: np.ndarray  # [M, 3] in [0, 1]
    normals: np.ndarray  # [M, 3] unit; zero where unknown
    footprint: np.ndarray  # [M] m a pixel covers there

    def __len__(self) -> int:
        return len(self.points)

    def take(self, index: np.ndarray) -> Seeds:
        return Seeds(self.points[index], self.colors[index], self.normals[index], self.footprint[index])


def join(parts: list[Seeds]) -> Seeds:
    """One Seeds of several."""
    return Seeds(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("points", "colors", "normals", "footprint")
        )
    )


def seeds_at(
    rows: np.ndarray, columns: np.ndarray, *, image: np.ndarray, depth: np.ndarray, cameras: Cameras, view: int
) -> Seeds:
    """Seeds at pixels [M] of one view: image [H, W, 3] in [0, 1], depth [H, W] m with 0 where unknown (such pixels are
    dropped).

    Normals are those of the depth map's local plane, by differences to the nearer-in-depth neighbour on either axis.
    """
    known = depth[rows, columns] > 0
    rows, columns = rows[known], columns[known]
    K = cameras.K[view]
    center = _lift(rows, columns, depth, K)
    along = [_difference(center, rows, columns, depth=depth, K=K, axis=axis) for axis in (0, 1)]
    normals = np.cross(along[1], along[0])
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.where(length > 1e-12, normals / np.maximum(length, 1e-12), 0.0)
    facing = np.sign((normals * center).sum(axis=1, keepdims=True))
    normals = normals * np.where(facing > 0, -1.0, 1.0)  # towards the camera
    turn = cameras.world_from_cam[view, :3, :3]
    return Seeds(cameras.to_world(view, center), image[rows, columns], normals @ turn.T, center[:, 2] / K[0, 0])


def _lift(rows: np.ndarray, columns: np.ndarray, depth: np.ndarray, K: np.ndarray) -> np.ndarray:
    """[M, 3] camera-frame points of pixels."""
    return pixel_rays(K, np.stack([columns, rows], axis=1) + 0.5) * depth[rows, columns][:, None]


def _difference(
    here: np.ndarray, rows: np.ndarray, columns: np.ndarray, *, depth: np.ndarray, K: np.ndarray, axis: int
) -> np.ndarray:
    """[M, 3] the step from points ``here`` [M, 3] to the next along an image axis, where the depth changes less."""
    steps, jumps = [], []
    for sign in (1, -1):
        r = np.clip(rows + sign * (axis == 0), 0, depth.shape[0] - 1)
        c = np.clip(columns + sign * (axis == 1), 0, depth.shape[1] - 1)
        there = _lift(r, c, depth, K)
        blocked = (depth[r, c] <= 0) | ((r == rows) & (c == columns))
        steps.append(np.where(blocked[:, None], 0.0, sign * (there - here)))
        jumps.append(np.where(blocked, np.inf, np.abs(there[:, 2] - here[:, 2])))
    return np.where((jumps[0] <= jumps[1])[:, None], steps[0], steps[1])


def seeds_of_points(points: np.ndarray, colors: np.ndarray | None, cameras: Cameras) -> Seeds:
    """Seeds of a point cloud [P, 3] with 8-bit colours [P, 3]; the footprint is the nearest camera's."""
    distance = np.asarray(cKDTree(cameras.positions).query(points)[0])
    colors = np.full(points.shape, 0.5) if colors is None else colors / 255.0
    return Seeds(
        points.astype(np.float64), colors, np.zeros(points.shape), distance / float(np.median(cameras.K[:, 0, 0]))
    )


def thin(seeds: Seeds, count: int, rng: np.random.Generator) -> Seeds:
    """About ``count`` seeds, one a voxel; the voxel grows until so few are occupied."""
    if len(seeds) <= count:
        return seeds
    seeds = seeds.take(rng.permutation(len(seeds)))
    low, high = 1e-4, float(np.ptp(seeds.points, axis=0).max()) + 1e-3
    for _ in range(24):
        size = (low * high) ** 0.5
        first = _first_of_voxel(seeds.points, size)
        low, high = (size, high) if len(first) > count else (low, size)
        if 0.97 * count <= len(first) <= count:
            break
    return seeds.take(_first_of_voxel(seeds.points, high) if len(first) > count else first)


def _first_of_voxel(points: np.ndarray, size: float) -> np.ndarray:
    cells = np.floor((points - points.min(axis=0)) / size).astype(np.int64)
    extent = cells.max(axis=0) + 1
    return np.unique((cells[:, 0] * extent[1] + cells[:, 1]) * extent[2] + cells[:, 2], return_index=True)[1]


def to_gaussians(seeds: Seeds, *, radius: np.ndarray, sh_count: int = 1) -> dict[str, Tensor]:
    """Rows of a scene: disks of ``radius`` [M] m facing along the normals, balls where a normal is unknown."""
    flat = np.linalg.norm(seeds.normals, axis=1) > 0.5
    scales = np.repeat(radius[:, None], 3, axis=1)
    scales[flat, 2] *= _THICKNESS
    sh = torch.zeros(len(seeds), sh_count, 3)
    sh[:, 0] = torch.from_numpy((seeds.colors - 0.5) / SH_C0)
    return {
        "means": torch.from_numpy(seeds.points).float(),
        "quats": torch.from_numpy(_quats_to(seeds.normals)).float(),
        "log_scales": torch.from_numpy(np.log(np.maximum(scales, 1e-5))).float(),
        "opacity_logits": torch.full((len(seeds),), float(np.log(_OPACITY / (1 - _OPACITY)))),
        "sh": sh,
    }


def spacing(points: np.ndarray, neighbors: int = 3, among: np.ndarray | None = None) -> np.ndarray:
    """[M] m: the mean distance of each point to its nearest others (of ``among`` [P, 3], or of the points
    themselves)."""
    skip = 1 if among is None else 0
    tree = cKDTree(points if among is None else among)
    distance = np.reshape(tree.query(points, k=min(neighbors + skip, tree.n))[0], (len(points), -1))
    return distance[:, skip:].mean(axis=1) if distance.shape[1] > skip else np.full(len(points), 0.01)


def _quats_to(normals: np.ndarray) -> np.ndarray:
    """[M, 4] wxyz: the smallest rotation that takes +z to each normal (identity for a zero one)."""
    x, y, z = normals.T
    z = np.where(np.linalg.norm(normals, axis=1) > 0.5, z, 1.0)
    quats = np.stack([1.0 + z, -y, x, np.zeros_like(z)], axis=1)
    quats[quats[:, 0] < 1e-6] = [0.0, 1.0, 0.0, 0.0]
    return quats / np.linalg.norm(quats, axis=1, keepdims=True)
