"""Turning a capture so that z points up, the floor lies near z = 0 and the room is centred in x and y."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.errors import InputError

_CONES = np.radians([25.0, 15.0, 10.0, 6.0, 4.0])  # half-angles within which a surface counts as level, narrowing
_VIEW_DISTANCE = 2.0  # what the median distance from camera to scene becomes where the scale is unknown


def upright(capture: Capture) -> Capture:
    """The same capture in a z-up world, by its cameras' up vectors and its level surfaces.

    Where ``info["metric"]`` is False the scene is also scaled so that cameras look at it from a median 2 units; the
    factor is kept in ``info["scale"]``. Raises InputError when the cameras' up vectors cancel out.
    """
    up = camera_up(capture.cameras)
    normals = _surface_normals(capture)
    if len(normals):
        up = level_up(normals, up)
    turn = np.eye(4)
    turn[:3, :3] = _rotation_to_z(up)
    points = _scene_points(capture)
    scale = 1.0 if capture.info.get("metric", True) else _VIEW_DISTANCE / max(_median_distance(capture, points), 1e-9)
    points = scale * points @ turn[:3, :3].T
    turn[:3, 3] = [*(-0.5 * np.sum(np.percentile(points[:, :2], [1, 99], axis=0), axis=0)), -floor_height(points[:, 2])]
    return _moved(capture, turn, scale)


def camera_up(cameras: Cameras) -> np.ndarray:
    """[3] unit: the direction most cameras hold upwards (the mean of their -y axes, those rolled by over 45 degrees
    left out)."""
    ups = -cameras.cam_from_world[:, 1, :3]  # [V, 3]
    mean = ups.mean(axis=0)
    if np.linalg.norm(mean) < 0.2:
        raise InputError(
            "gravity alignment", expected="cameras held mostly the same way up", got="up vectors that cancel out"
        )
    mean /= np.linalg.norm(mean)
    steady = ups @ mean > np.cos(np.radians(45.0))
    if steady.any():
        mean = ups[steady].mean(axis=0)
    return mean / np.linalg.norm(mean)


def level_up(normals: np.ndarray, up: np.ndarray) -> np.ndarray:
    """[3] ``up`` refined by surface normals [M, 3]: the level ones (floor, tables) drag it along, the upright ones
    (walls) push it into their plane. Each narrowing cone solves min sum_walls (n.u)^2 - sum_level (n.u)^2, a 3x3
    eigenproblem."""
    for cone in _CONES:
        tilt = np.abs(normals @ up)  # cosine to up
        level, wall = normals[tilt > np.cos(cone)], normals[tilt < np.sin(cone)]
        if len(level) < 30:
            break
        _, vectors = np.linalg.eigh(wall.T @ wall - level.T @ level)
        refined = vectors[:, 0] * np.sign(vectors[:, 0] @ up)
        if refined @ up < np.cos(cone):
            break
        up = refined
    return up


def floor_height(heights: np.ndarray) -> float:
    """The lowest level surface among heights [P]: the first 4 cm bin of the lower half that holds over 1 % of them and
    stands out from those above it; the 1st percentile where none does."""
    low, high = np.percentile(heights, [0.2, 99.8])
    counts, edges = np.histogram(heights, np.arange(low - 0.04, high + 0.08, 0.04))
    for level in np.flatnonzero(edges[:-1] < 0.5 * (low + high)):
        above = counts[level + 2 : level + 8]
        if (
            counts[level] > 0.01 * len(heights)
            and counts[level] == counts[max(0, level - 2) : level + 3].max()
            and counts[level] > 1.5 * np.median(above)
        ):
            return float(np.median(heights[(heights >= edges[level]) & (heights <= edges[level + 1])]))
    return float(np.percentile(heights, 1))


def _surface_normals(capture: Capture) -> np.ndarray:
    """[M, 3] unit normals of the depth maps on a coarse grid; none without depth."""
    if capture.depth is None:
        return np.zeros((0, 3))
    normals = []
    for view in range(len(capture)):
        step = max(1, capture.cameras.width // 80)
        points = capture.cameras.unproject(view, capture.depth[view], stride=step)
        known = capture.depth[view, ::step, ::step] > 0
        known = known[:-1, :-1] & known[1:, :-1] & known[:-1, 1:]
        cross = np.cross(points[1:, :-1] - points[:-1, :-1], points[:-1, 1:] - points[:-1, :-1])[known]
        normals.append(cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-12))
    return np.concatenate(normals)


def _scene_points(capture: Capture) -> np.ndarray:
    """[P, 3] what the scene is made of, as far as known: points, else unprojected depth, else the cameras
    themselves."""
    if capture.points is not None and len(capture.points):
        return capture.points.astype(np.float64)
    if capture.depth is not None:
        step = max(1, capture.cameras.width // 80)
        clouds = [
            capture.cameras.unproject(v, capture.depth[v], stride=step)[capture.depth[v, ::step, ::step] > 0]
            for v in range(len(capture))
        ]
        if sum(map(len, clouds)):
            return np.concatenate(clouds)
    return capture.cameras.positions


def _median_distance(capture: Capture, points: np.ndarray) -> float:
    offsets = np.linalg.norm(points[None] - capture.cameras.positions[:, None], axis=-1)  # [V, P]
    return float(np.median(offsets))


def _rotation_to_z(up: np.ndarray) -> np.ndarray:
    """[3, 3] the smallest rotation that takes ``up`` to +z (Rodrigues)."""
    axis, cosine = np.cross(up, [0.0, 0.0, 1.0]), up[2]
    if cosine < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    x, y, z = axis
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def _moved(capture: Capture, turn: np.ndarray, scale: float) -> Capture:
    """The capture scaled by ``scale``, then moved by ``turn`` [4, 4]."""
    poses = capture.cameras.cam_from_world.copy()
    poses[:, :3, 3] *= scale
    cameras = replace(capture.cameras, cam_from_world=poses).moved(turn)
    points = (
        None if capture.points is None else (scale * capture.points @ turn[:3, :3].T + turn[:3, 3]).astype(np.float32)
    )
    depth = None if capture.depth is None else (capture.depth * scale).astype(np.float32)
    info = {**capture.info, "scale": round(scale, 6)}
    return replace(capture, cameras=cameras, points=points, depth=depth, info=info)
