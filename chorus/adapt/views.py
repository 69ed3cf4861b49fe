"""Viewpoints for a scene that has none, and which of them look at the same things."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from chorus.cameras import Cameras, look_at
from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus_kernels import PatchWeights

CELL = 0.2  # metres of the occupancy grid
DIRECTIONS = 8  # a place
SOLID = 0.3  # opacity from which a Gaussian fills its cell


def sample_views(
    scene: GaussianScene,
    *,
    places: int = 6,
    clearance: float = 0.4,
    width: int = 256,
    height: int = 192,
    fov: float = 75.0,
    heights: tuple[float, float] = (0.9, 1.8),
) -> Cameras:
    """Cameras spread over the free space of a scene (z up, metres): farthest-point places, 8 horizontal directions at
    each.

    clearance: metres to the nearest surface, and along the view direction; fov: horizontal, degrees; heights: of the
    eye above the floor. The same views for the same scene. Raises InputError where no place is free.
    """
    free, origin, solid = _free_cells(scene, clearance, heights)
    if len(free) == 0:
        raise InputError(
            "views",
            expected=f"free space {clearance} m from all surfaces",
            got="none",
            fix="Give cameras, or a smaller clearance.",
        )
    eyes = origin + (free[_farthest(free, places)] + 0.5) * CELL
    poses = []
    for eye in eyes:
        for turn in range(DIRECTIONS):
            angle = 2 * np.pi * turn / DIRECTIONS
            forward = np.array([np.cos(angle), np.sin(angle), -0.15])
            if not _blocked(eye, forward, clearance * 2, solid, origin):
                poses.append(look_at(eye, eye + forward))
    if not poses:
        raise InputError(
            "views",
            expected=f"a direction free for {clearance * 2} m",
            got="none",
            fix="Give cameras, or a smaller clearance.",
        )
    focal = width / 2 / np.tan(np.radians(fov) / 2)
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return Cameras(K=np.repeat(K[None], len(poses), 0), cam_from_world=np.stack(poses), width=width, height=height)


def overlapping(weights: PatchWeights, starts: Tensor, *, most: int = 4) -> list[Tensor]:
    """For each view, itself and the views that share most of what it sees: ``most`` view numbers each, ascending.

    starts: [V + 1] the first column of each view. Overlap of a and b: sum over Gaussians of min(share in a, share in
    b), shares of the Gaussian weights a view sums to 1.
    """
    views, view_of = len(starts) - 1, torch.repeat_interleave(torch.arange(len(starts) - 1), starts.diff())
    rows = torch.repeat_interleave(torch.arange(weights.shape[0]), weights.indptr.diff())
    seen = torch.zeros(views, weights.shape[0])
    seen.view(-1).index_add_(0, view_of[weights.indices.long()] * weights.shape[0] + rows, weights.values)
    seen = seen / seen.sum(dim=1, keepdim=True).clamp_min(1e-12)
    groups = []
    for view in range(views):
        shared = torch.minimum(seen, seen[view]).sum(dim=1)
        shared[view] = 2.0
        groups.append(shared.argsort(descending=True, stable=True)[:most].sort().values)
    return groups


def _free_cells(
    scene: GaussianScene, clearance: float, heights: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Free cells [F, 3], the grid's origin [3] in metres, and the occupied cells [X, Y, Z] bool."""
    from scipy.ndimage import distance_transform_edt

    means = scene.means[scene.opacities > SOLID].double().numpy()
    if len(means) == 0:
        return np.zeros((0, 3)), np.zeros(3), np.zeros((1, 1, 1), bool)
    low, high = np.quantile(means, 0.005, axis=0) - CELL, np.quantile(means, 0.995, axis=0) + CELL
    cells = np.floor((means[((means >= low) & (means <= high)).all(axis=1)] - low) / CELL).astype(int)
    solid = np.zeros(tuple(int(count) + 1 for count in np.ceil((high - low) / CELL)), bool)
    solid[tuple(cells.T)] = True
    apart = distance_transform_edt(~solid) * CELL >= clearance
    above_floor = (np.arange(solid.shape[2]) + 0.5) * CELL - CELL
    level = (above_floor >= heights[0]) & (above_floor <= heights[1])
    free = apart & _inside(solid) & level
    return np.argwhere(free), low, solid


def _inside(solid: np.ndarray) -> np.ndarray:
    """Cells with something below and on at least three of the four sides."""
    behind = lambda a, axis: np.logical_or.accumulate(a, axis=axis)  # noqa: E731
    ahead = lambda a, axis: np.flip(behind(np.flip(a, axis), axis), axis)  # noqa: E731
    sides = sum(side(solid, axis).astype(int) for axis in (0, 1) for side in (behind, ahead))
    return behind(solid, 2) & (sides >= 3)


def _farthest(points: np.ndarray, count: int) -> np.ndarray:
    """Farthest-point sampling, from the point nearest to the middle."""
    chosen = [int(((points - points.mean(axis=0)) ** 2).sum(axis=1).argmin())]
    distance = np.full(len(points), np.inf)
    while len(chosen) < min(count, len(points)):
        distance = np.minimum(distance, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        chosen.append(int(distance.argmax()))
    return np.array(chosen)


def _blocked(eye: np.ndarray, forward: np.ndarray, reach: float, solid: np.ndarray, origin: np.ndarray) -> bool:
    forward = forward / np.linalg.norm(forward)
    cells = np.floor((eye + np.arange(CELL, reach, CELL / 2)[:, None] * forward - origin) / CELL).astype(int)
    inside = ((cells >= 0) & (cells < solid.shape)).all(axis=1)
    return bool(solid[tuple(cells[inside].T)].any())
