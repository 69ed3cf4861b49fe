"""Self-calibration of RGB-D captures: the colour camera's pinhole and each frame's pose, from feature matches.

Depth cameras are calibrated by their makers; the colour images beside them often only pretend to share that
calibration, and tracked poses are a few pixels off. Matches between frames must obey the epipolar line of the true
colour cameras, so minimising the Sampson distance (Hartley and Zisserman, 11.4.3) under priors finds both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares
from scipy.sparse import lil_matrix
from scipy.spatial.transform import Rotation

from chorus.cameras import Cameras, pixel_rays
from chorus.sources.triangulate import PairMatches, close_matches

_MATCHES = 12000  # at most, drawn evenly
_MIN_MATCHES = 300
_FAR = 8.0  # pixels beyond which a match is taken for wrong before anything is fitted
_PIXEL = 0.5  # scale of the robust (Cauchy) loss
_SHARED_PRIOR = np.array(
    [0.15, 0.03, 0.03, 0.02, 0.02, 0.02, 0.03, 0.03, 0.03]
)  # ln f, centre / f, rotation (rad), offset (m)
_FRAME_PRIOR = np.array([0.01, 0.01, 0.01, 0.015, 0.015, 0.015])  # rotation (rad), position (m) of one frame
_GOOD = 0.4  # pixels of median residual with which the given calibration stands
_MIN_GAIN = 0.15  # the median residual must fall by this share, or it stands too


@dataclass(frozen=True)
class Calibration:
    """What the matches say; the identity where they say nothing."""

    cameras: Cameras  # of the colour images
    depth_cameras: Cameras  # the given cameras with the same corrections of the frames' poses
    before: float  # pixels, median epipolar residual
    after: float


@dataclass(frozen=True)
class _Matches:
    a: np.ndarray  # [M] view
    b: np.ndarray  # [M] view
    pixels_a: np.ndarray  # [M, 2]
    pixels_b: np.ndarray  # [M, 2]


def calibrate(pairs: list[PairMatches], cameras: Cameras) -> Calibration:
    """Colour cameras of views whose given cameras are nearly right (one K for all, metres), from their matches.

    Held-out views take part: their poses are input, as from structure from motion.
    """
    if not pairs:
        return Calibration(cameras, cameras, 0.0, 0.0)
    matches = _matches(pairs)
    if len(matches.a) < _MIN_MATCHES:
        return Calibration(cameras, cameras, 0.0, 0.0)
    shared, frames = np.zeros(len(_SHARED_PRIOR)), np.zeros((len(cameras), len(_FRAME_PRIOR)))
    before = _median(_residuals(cameras, matches, shared, frames))
    if before < _GOOD:
        return Calibration(cameras, cameras, before, before)
    shared = _fit_shared(cameras, matches, shared, frames)
    frames = _fit_frames(cameras, matches, shared, frames)
    shared = _fit_shared(cameras, matches, shared, frames)
    after = _median(_residuals(cameras, matches, shared, frames))
    if after > (1 - _MIN_GAIN) * before:
        return Calibration(cameras, cameras, before, before)
    K, world_from_color = _cameras(cameras, shared, frames)
    depth_poses = np.linalg.inv(cameras.world_from_cam @ _rigid(frames))
    color = Cameras(
        K=np.repeat(K[None], len(cameras), axis=0),
        cam_from_world=np.linalg.inv(world_from_color),
        width=cameras.width,
        height=cameras.height,
    )
    depth = Cameras(K=cameras.K, cam_from_world=depth_poses, width=cameras.width, height=cameras.height)
    return Calibration(color, depth, before, after)


def _matches(pairs: list[PairMatches]) -> _Matches:
    near = list(close_matches(pairs, max_distance=_FAR))
    a, b = (np.repeat([getattr(p, side) for p in near], [len(p.distance) for p in near]) for side in ("a", "b"))
    pixels = [np.concatenate([pair.pixels_a for pair in near]), np.concatenate([pair.pixels_b for pair in near])]
    keep = np.unique(np.linspace(0, max(len(a) - 1, 0), min(len(a), _MATCHES)).astype(int))
    return _Matches(a[keep].astype(int), b[keep].astype(int), pixels[0][keep], pixels[1][keep])


def _rigid(values: np.ndarray) -> np.ndarray:
    """[..., 4, 4] of rotation vectors (rad) and offsets [..., 6]."""
    matrices = np.broadcast_to(np.eye(4), (*values.shape[:-1], 4, 4)).copy()
    matrices[..., :3, :3] = (
        Rotation.from_rotvec(values[..., :3].reshape(-1, 3)).as_matrix().reshape(*values.shape[:-1], 3, 3)
    )
    matrices[..., :3, 3] = values[..., 3:]
    return matrices


def _cameras(cameras: Cameras, shared: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """K [3, 3] of the colour images and their camera-to-world [V, 4, 4]."""
    K = cameras.K[0].copy()
    K[:2, 2] += shared[1:3] * K[0, 0]
    K[0, 0] *= np.exp(shared[0])
    K[1, 1] *= np.exp(shared[0])
    return K, cameras.world_from_cam @ _rigid(frames) @ _rigid(shared[3:])


def _residuals(cameras: Cameras, matches: _Matches, shared: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """[M] Sampson distances, pixels."""
    K, world_from_color = _cameras(cameras, shared, frames)
    b_from_a = np.linalg.inv(world_from_color)[matches.b] @ world_from_color[matches.a]
    ray_a, ray_b = pixel_rays(K, matches.pixels_a), pixel_rays(K, matches.pixels_b)
    rotation, offset = b_from_a[:, :3, :3], b_from_a[:, :3, 3]
    line_b = np.cross(offset, np.einsum("mij,mj->mi", rotation, ray_a))
    line_a = np.einsum("mji,mj->mi", rotation, np.cross(ray_b, offset))
    norm = np.sqrt((line_a[:, :2] ** 2).sum(axis=1) + (line_b[:, :2] ** 2).sum(axis=1) + 1e-16)
    return K[0, 0] * (line_b * ray_b).sum(axis=1) / norm


def _median(residuals: np.ndarray) -> float:
    return float(np.median(np.abs(residuals)))


def _robust(residuals: np.ndarray) -> np.ndarray:
    """Residuals whose squares are Cauchy's loss, so that priors can stand beside them unchanged."""
    return np.sign(residuals) * np.sqrt(np.log1p((residuals / _PIXEL) ** 2))


def _fit_shared(cameras: Cameras, matches: _Matches, start: np.ndarray, frames: np.ndarray) -> np.ndarray:
    def cost(values: np.ndarray) -> np.ndarray:
        return np.concatenate([_robust(_residuals(cameras, matches, values, frames)), values / _SHARED_PRIOR])

    return least_squares(cost, start, x_scale=_SHARED_PRIOR, max_nfev=20).x


def _fit_frames(cameras: Cameras, matches: _Matches, shared: np.ndarray, start: np.ndarray) -> np.ndarray:
    views, width = start.shape
    prior = np.tile(_FRAME_PRIOR, views)

    def cost(values: np.ndarray) -> np.ndarray:
        return np.concatenate(
            [_robust(_residuals(cameras, matches, shared, values.reshape(views, width))), values / prior]
        )

    pattern = lil_matrix((len(matches.a) + views * width, views * width), dtype=np.int8)
    rows = np.arange(len(matches.a))
    for column in range(width):
        pattern[rows, matches.a * width + column] = 1
        pattern[rows, matches.b * width + column] = 1
    pattern[len(rows) + np.arange(views * width), np.arange(views * width)] = 1
    found = least_squares(
        cost, start.ravel(), x_scale=prior, jac_sparsity=pattern.tocsr(), tr_solver="lsmr", max_nfev=12
    )
    return found.x.reshape(views, width)
