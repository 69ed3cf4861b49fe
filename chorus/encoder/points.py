"""Bare points as flat Gaussians, so that every encoder variant reads them."""

from __future__ import annotations

import numpy as np
import torch

from chorus.errors import InputError
from chorus.scene import GaussianScene, scene_from_colors

NEIGHBORS = 16  # a normal is estimated from
FLATNESS = 0.1  # thickness of a disc over its radius


def scene_of_points(
    points: np.ndarray, colors: np.ndarray | None = None, normals: np.ndarray | None = None, *, where: object = "points"
) -> GaussianScene:
    """Each point an opaque disc as wide as the distance to its third neighbour, facing along its normal.

    points: [P, 3] metres; colors: [P, 3] uint8, grey when None; normals: [P, 3], estimated when None: the direction of
    least spread of the 16 nearest points (principal component analysis). A disc has no front; encoders turn normals
    towards the middle of the scene. Raises InputError for fewer than 4 points or values that are not finite.
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or points.shape[1] != 3 or len(points) < 4 or not np.isfinite(points).all():
        raise InputError(where, expected="at least 4 finite points [P, 3]", got=list(points.shape))
    from scipy.spatial import cKDTree  # here: a query of splats needs none of it

    distance, index = cKDTree(points).query(points, k=min(NEIGHBORS, len(points)))
    normals = _spread_normals(points[index]) if normals is None else np.asarray(normals, np.float64)
    radius = torch.from_numpy(np.maximum(np.asarray(distance)[:, 3], 1e-4))[:, None]
    scales = torch.cat([radius, radius, radius * FLATNESS], dim=1)
    rgb = np.full(points.shape, 0.5) if colors is None else np.asarray(colors) / 255.0
    arrays = (
        torch.from_numpy(points),
        _quats_to(torch.from_numpy(normals)),
        scales,
        torch.full((len(points),), 0.95),
        torch.from_numpy(rgb),
    )
    return scene_from_colors(*(array.float() for array in arrays))


def _spread_normals(groups: np.ndarray) -> np.ndarray:
    """[P, 3] least axes of groups of points [P, K, 3]."""
    centered = groups - groups.mean(axis=1, keepdims=True)
    return np.linalg.eigh(centered.transpose(0, 2, 1) @ centered)[1][:, :, 0]


def _quats_to(normals: torch.Tensor) -> torch.Tensor:
    """[P, 4] wxyz of the shortest turns that take z to each normal [P, 3]."""
    x, y, z = torch.nn.functional.normalize(normals, dim=1).unbind(dim=1)
    x, y, z = (torch.where(z < 0, -v, v) for v in (x, y, z))  # a disc has no front: turn by less than a right angle
    return torch.nn.functional.normalize(torch.stack([1 + z, -y, x, torch.zeros_like(z)], dim=1), dim=1)
