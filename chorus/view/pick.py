"""What a ray through a scene of Gaussians meets first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from chorus.scene import GaussianScene
from chorus_kernels.reference import rotation_matrices

OPAQUE = 0.5  # accumulated alpha at which a ray is said to have met something
REACH = 3.0  # standard deviations beyond which a Gaussian has no alpha worth counting
MOST = 0.99  # alpha of one Gaussian, as the renderer has it


class Hit(NamedTuple):
    """row: the Gaussian; position: [3] m, where the ray passes it closest; distance: m along the ray."""

    row: int
    position: np.ndarray
    distance: float


def pick(
    scene: GaussianScene, origin: np.ndarray, direction: np.ndarray, *, among: np.ndarray | None = None
) -> Hit | None:
    """The Gaussian at which the alpha gathered along a ray passes one half; None where it never does.

    origin, direction: [3] m of the world, any length; among: [N] bool, those that are shown. Along o + t d a Gaussian
    is densest at t = d' S^-1 (m - o) / d' S^-1 d, where its alpha is a = opacity exp(-1/2 r' S^-1 r), r the offset from
    its mean; alpha gathers front to back as 1 - prod(1 - a) (3DGS, Kerbl et al. 2023, eq. 3).
    """
    direction = np.asarray(direction, np.float64) / np.linalg.norm(direction)
    rows, along, alpha = _met(scene, np.asarray(origin, np.float64), direction)
    if among is not None:
        shown = among[rows]
        rows, along, alpha = rows[shown], along[shown], alpha[shown]
    order = np.argsort(along, kind="stable")
    gathered = 1.0 - np.cumprod(1.0 - alpha[order])
    at = int(np.searchsorted(gathered, OPAQUE))
    if at == len(order):
        return None
    first = order[at]
    return Hit(int(rows[first]), origin + along[first] * direction, float(along[first]))


def _met(scene: GaussianScene, origin: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows [K] of the Gaussians a ray passes within REACH, the distance [K] where each is densest, its alpha [K]."""
    means = scene.means.detach().cpu().double().numpy() - origin
    scales = scene.scales.detach().cpu().double().numpy()
    ahead = means @ direction
    off = np.linalg.norm(means - ahead[:, None] * direction, axis=1)
    rows = np.flatnonzero(off < REACH * scales.max(axis=1))
    quats = scene.unit_quats.detach()[torch.from_numpy(rows)]
    turned = rotation_matrices(quats).cpu().double().numpy()  # columns: own axes
    means = np.einsum("nij,ni->nj", turned, means[rows]) / scales[rows]  # whitened: S^-1 is the unit matrix
    step = np.einsum("nij,i->nj", turned, direction) / scales[rows]
    along = (means * step).sum(1) / (step * step).sum(1)
    apart = ((means - along[:, None] * step) ** 2).sum(1)
    opacities = scene.opacities.detach().cpu().double().numpy()[rows]
    alpha = np.minimum(opacities * np.exp(-0.5 * apart), MOST)
    front = (along > 0) & (apart < REACH**2)
    return rows[front], along[front], alpha[front]
