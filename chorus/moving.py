"""Scenes in other axes and units: positions, rotations, sizes and view-dependent colour change together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from chorus.axes import is_own
from chorus.frames import Frame
from chorus.scene import GaussianScene
from chorus_kernels.reference import spherical_harmonics

_SAMPLES = 64  # directions the turned harmonics are solved from; 16 unknowns at most


def move(scene: GaussianScene, *, turn: np.ndarray | None = None, scale: float = 1.0, **known) -> GaussianScene:
    """The scene turned by ``turn`` [3, 3] (orthogonal, mirrored where its determinant is -1), then scaled; its frame
    says so. known: what the frame is to say from now on of up and unit."""
    turn = np.eye(3) if turn is None else np.asarray(turn, np.float64)
    frame = replace(scene.frame.moved(turn, scale=scale, shift=np.zeros(3)), **known)
    if not np.array_equal(turn, np.eye(3)):
        scene = _turned(scene, turn)
    if scale != 1.0:
        means = (scene.means.double() * scale).to(scene.means)
        scene = replace(scene, means=means, log_scales=scene.log_scales + float(np.log(scale)))
    return replace(scene, frame=frame)


def in_file_frame(scene: GaussianScene) -> GaussianScene:
    """The scene in its file's axes and unit; positions still less ``frame.offset``, which float32 cannot hold."""
    frame = scene.frame
    if is_own(replace(frame, offset=(0.0, 0.0, 0.0))):
        return scene
    back = move(scene, turn=np.asarray(frame.rotation).T, scale=1.0 / frame.scale)
    return replace(back, frame=replace(Frame(offset=frame.offset), up=frame.up, unit=frame.unit))


def file_means(scene: GaussianScene) -> np.ndarray:
    """[N, 3] double: positions as the scene's file has them."""
    return scene.frame.to_file(scene.means.detach().cpu().numpy())


def upright_as_file(scene: GaussianScene) -> GaussianScene:
    """The same numbers, taken for those of a file: what is written of it is z up and in the scene's unit."""
    frame = Frame(up=scene.frame.up, unit=scene.frame.unit, unit_known=scene.frame.unit_known)
    report = replace(scene.report, up=(0.0, 0.0, 1.0), unit=1.0 if frame.unit == "m" else None)
    return replace(scene, frame=frame, report=report)


def quat_product(a: Tensor, b: Tensor) -> Tensor:
    """[..., 4] wxyz: the rotation b, then a."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    parts = [
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    ]
    return torch.stack(parts, dim=-1)


def turned_harmonics(degree: int, turn: np.ndarray) -> Tensor:
    """[K, K] double: coefficients of a colour seen in turned axes, color'(d) = color(turn^T d); solved by least squares
    over directions, exact because each band is closed under rotation."""
    draw = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(_SAMPLES, 3, generator=draw, dtype=torch.float64), dim=1)
    basis, before = (_basis(degree, d) for d in (directions, directions @ torch.from_numpy(turn)))
    return torch.linalg.lstsq(basis, before).solution


def _turned(scene: GaussianScene, turn: np.ndarray) -> GaussianScene:
    proper = turn if np.linalg.det(turn) > 0 else -turn  # a Gaussian is its own mirror image through its centre
    from scipy.spatial.transform import Rotation  # here: a query of a scene that is upright needs none of it

    x, y, z, w = Rotation.from_matrix(proper).as_quat()
    quats = quat_product(torch.tensor([w, x, y, z], dtype=torch.float64), scene.quats.detach().cpu().double())
    means = scene.means.double() @ torch.from_numpy(turn.T).to(scene.means.device)
    sh = scene.sh
    if scene.sh_degree:
        sh = (turned_harmonics(scene.sh_degree, turn).to(sh.device) @ sh.double()).to(sh)
    return replace(scene, means=means.to(scene.means), quats=quats.to(scene.quats), sh=sh.contiguous())


def _basis(degree: int, directions: Tensor) -> Tensor:
    """[S, K] the real spherical harmonics of 3DGS in directions [S, 3]."""
    count = (degree + 1) ** 2
    columns = []
    for k in range(count):
        one = torch.zeros(len(directions), count, 3, dtype=directions.dtype)
        one[:, k] = 1.0
        columns.append(spherical_harmonics(degree, directions, one)[:, 0])
    return torch.stack(columns, dim=1)
