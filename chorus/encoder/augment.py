"""Augmentation that knows splats are an optimised field (after Chorus, arXiv 2512.17817, section 3).

Rigid moves and flips act on the whole Gaussian, quaternions included. Two more imitate what optimisation leaves behind:
noise along the covariance of splats too transparent to be seen, and a blur of scales as in a field not yet converged.
There is no colour jitter, and point jitter and dropout are off: a trained scene has none; they are there to be compared
with. Last, a whole modality may be hidden from a scene's rows (:func:`blind`), so that an encoder does not lean on one
that another scene lacks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from chorus.encoder.inputs import rotation_matrices
from chorus.params import BlindParams
from chorus.scene import GaussianScene


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Ranges; zero turns a part off."""

    spin: float = math.pi  # about z, radians, either way
    tilt: float = math.pi / 64  # about x and y
    scale: float = 0.1  # of 1, either way
    flip: float = 0.5  # probability for x, and for y
    unseen_noise: float = 10.0  # k of the noise on nearly transparent splats
    blur_share: float = 0.1  # of splats, in half of the draws
    blur: float = 3.0  # largest factor on their scales
    jitter: float = 0.0  # m, deviation of noise on all centres, cut at four times
    dropout: float = 0.0  # share of splats left out of half of the draws


def augment(scene: GaussianScene, config: Augmentation, generator: torch.Generator) -> GaussianScene:
    """A random variant of the scene; the same one for the same state of the generator."""
    scene = unseen_noise(scene, config.unseen_noise, generator)
    if _uniform(generator, 0, 1) < 0.5:
        scene = immature_blur(scene, config.blur_share, config.blur, generator)
    if config.jitter:
        noise = config.jitter * torch.randn(len(scene), 3, generator=generator)
        scene = replace(scene, means=scene.means + noise.clamp(-4 * config.jitter, 4 * config.jitter))
    angles = [_uniform(generator, -limit, limit) for limit in (config.tilt, config.tilt, config.spin)]
    scene = rotate(scene, euler_quat(*angles))
    for axis in (0, 1):
        if _uniform(generator, 0, 1) < config.flip:
            scene = flip(scene, axis)
    return rescale(scene, _uniform(generator, 1 - config.scale, 1 + config.scale))


def kept(count: int, dropout: float, generator: torch.Generator) -> Tensor:
    """[R] int64, ascending: the splats of ``count`` that a draw leaves in, at least one. For who calls ``augment``: it
    keeps all rows."""
    share = dropout if _uniform(generator, 0, 1) < 0.5 else 0.0
    rows = torch.nonzero(torch.rand(count, generator=generator) >= share)[:, 0]
    return rows if len(rows) else torch.zeros(1, dtype=torch.int64)


def rotate(scene: GaussianScene, quat: Tensor) -> GaussianScene:
    """Turned about the origin by a unit quaternion wxyz [4]: means and orientations. (Colour beyond degree 0 stays:
    unread here.)"""
    rotation = rotation_matrices(quat[None])[0]
    return replace(scene, means=scene.means @ rotation.T, quats=quat_product(quat.expand(len(scene), 4), scene.quats))


def flip(scene: GaussianScene, axis: int) -> GaussianScene:
    """Mirrored across the plane normal to an axis. F R F is the mirrored orientation: in its quaternion the axis's part
    stays."""
    sign = torch.ones(3).index_fill(0, torch.tensor([axis]), -1.0)
    quat_sign = torch.cat([torch.ones(1), -sign])  # w stays; x, y, z change sign except along the axis
    return replace(scene, means=scene.means * sign, quats=scene.quats * quat_sign)


def rescale(scene: GaussianScene, factor: float) -> GaussianScene:
    return replace(scene, means=scene.means * factor, log_scales=scene.log_scales + math.log(factor))


def unseen_noise(scene: GaussianScene, k: float, generator: torch.Generator) -> GaussianScene:
    """x_i += k Sigma_i eps sigmoid(100 ((1 - a_i) - 0.995)): moves only what rendering does not show (3DGS-MCMC,
    Kheradmand et al. 2024)."""
    gate = torch.sigmoid(100.0 * ((1.0 - scene.opacities) - 0.995))
    eps = torch.randn(len(scene), 3, generator=generator)
    rotation = rotation_matrices(scene.unit_quats)
    local = torch.einsum("nji,nj->ni", rotation, eps) * scene.scales.square()
    moved = torch.einsum("nij,nj->ni", rotation, local)
    return replace(scene, means=scene.means + k * gate[:, None] * moved)


def immature_blur(scene: GaussianScene, share: float, factor: float, generator: torch.Generator) -> GaussianScene:
    """Scales of a random share of splats grown by U(1, factor)."""
    chosen = torch.rand(len(scene), generator=generator) < share
    growth = torch.rand(len(scene), generator=generator) * (factor - 1) + 1
    return replace(scene, log_scales=scene.log_scales + (growth.log() * chosen)[:, None])


def euler_quat(x: float, y: float, z: float) -> Tensor:
    """[4] unit quaternion wxyz of a turn about x, then y, then z, radians."""
    halves = [(math.cos(a / 2), math.sin(a / 2)) for a in (x, y, z)]
    qx, qy, qz = (
        torch.zeros(4).index_fill(0, torch.tensor([i + 1]), s).index_fill(0, torch.tensor([0]), c)
        for i, (c, s) in enumerate(halves)
    )
    return quat_product(quat_product(qz[None], qy[None]), qx[None])[0]


def quat_product(a: Tensor, b: Tensor) -> Tensor:
    """[N, 4] Hamilton product, wxyz: the turn b followed by the turn a."""
    aw, ax, ay, az = a.unbind(dim=1)
    bw, bx, by, bz = b.unbind(dim=1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        dim=1,
    )


def blind(feat: Tensor, columns: Mapping[str, slice], shares: BlindParams, generator: torch.Generator) -> Tensor:
    """Rows [M, C] of one scene with color, opacity and normal each hidden (zero) with its probability, all rows alike.

    columns: where a row holds each (InputConfig.columns); one that rows do not hold is drawn, and hides nothing. Zero
    is a grey, an opacity of nothing and no direction.
    """
    hidden = [part for part in fields(shares) if _uniform(generator, 0, 1) < getattr(shares, part.name)]
    if not any(part.name in columns for part in hidden):
        return feat
    feat = feat.clone()
    for part in hidden:
        if part.name in columns:
            feat[:, columns[part.name]] = 0.0
    return feat


def _uniform(generator: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand((), generator=generator))
