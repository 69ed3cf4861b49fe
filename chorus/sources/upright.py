"""Turning a capture so that z points up, the floor lies near z = 0 and the room is centred in x and y."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from chorus.axes import UPS, turn_up
from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.frames import Known

_CONES = np.radians([25.0, 15.0, 10.0, 6.0, 4.0])  # half-angles within which a surface counts as level, narrowing
_VIEW_DISTANCE = 2.0  # what the median distance from camera to scene becomes where the scale is unknown
_ONE_WAY = 0.9  # length of the mean viewing direction, above which all views look one way
_SNAP = np.cos(np.radians(5.0))  # nearer to an axis of the file, an estimate means that axis
_DOWN = np.cos(np.radians(25.0))
_FAR = 1000.0  # lengths from the file's origin, beyond which `keep` gives up that origin for precision
_MANY = 20000  # points are enough for statistics
_THICK, _TRIALS, _PLANE_SHARE = (
    0.02,
    600,
    0.15,
)  # of a plane: half its thickness over the scene's radius; samples; points
_PLANE_POINTS = 60
_CANCEL = 0.2  # length of the mean up vector, below which cameras are held every way up


@dataclass(frozen=True, kw_only=True)
class Convention:
    """What a kind of file is known for: its axis that points up, and whether files always keep to it."""

    up: str | None = None  # of chorus.axes.UPS
    always: bool = False  # a data set's own promise; False: usual, to be borne out by the cameras


def upright(
    capture: Capture, *, up: str = "auto", scale: float | None = None, convention: Convention = Convention()
) -> Capture:
    """The same capture, z up: by the axis given, the data set's convention, or its cameras and level surfaces.

    scale: metres of one length, where given. Where the scale is unknown the scene is scaled so that cameras look at it
    from a median 2 units. The frame tells how both came about and leads back. up "keep": the axes stay as they are.
    Raises InputError when nothing tells which way is up.
    """
    if scale is not None:
        capture = replace(capture, frame=replace(capture.frame, unit="m", unit_known="given"))
    points = _scene_points(capture)
    if scale is None:
        known = capture.frame.unit == "m" or up == "keep"
        scale = 1.0 if known else _VIEW_DISTANCE / max(_median_distance(capture, points), 1e-9)
    if up == "keep":
        origin = np.asarray(capture.frame.offset)
        shift = scale * origin if np.abs(origin).max() < _FAR else np.zeros(3)
        return _moved(capture, np.eye(3), scale=scale, shift=shift, known="kept")
    direction, known = find_up(capture, points, up=up, convention=convention)
    turn = turn_up(direction)
    points = scale * points @ turn.T
    shift = [*(-0.5 * np.sum(np.percentile(points[:, :2], [1, 99], axis=0), axis=0)), -floor_height(points[:, 2])]
    return _moved(capture, turn, scale=scale, shift=np.array(shift), known=known)


def find_up(capture: Capture, points: np.ndarray, *, up: str, convention: Convention) -> tuple[np.ndarray, Known]:
    """[3] unit: the direction that points up, and how that is known. points: [P, 3] of the scene."""
    if up in UPS:
        return np.array(UPS[up]), "given"
    if convention.up and convention.always:
        return np.array(UPS[convention.up]), "file"
    forward, ups = capture.cameras.cam_from_world[:, 2, :3].mean(axis=0), -capture.cameras.cam_from_world[:, 1, :3]
    cancel = np.linalg.norm(ups.mean(axis=0)) < _CANCEL
    if np.linalg.norm(forward) > _ONE_WAY:  # a drone looking down, or a walk straight ahead
        back = -forward / np.linalg.norm(forward)
        if convention.up and back @ np.array(UPS[convention.up]) > _DOWN:
            return np.array(UPS[convention.up]), "file"
        if cancel:  # nobody holds a camera upside down half the time: it looks down
            return _snapped(_leveled(capture, points, back))
    found = _leveled(capture, points, camera_up(capture.cameras))
    return (found, "estimated") if capture.depth is not None else _snapped(found)


def _snapped(up: np.ndarray) -> tuple[np.ndarray, Known]:
    """The file's axis where the estimate is that axis but for its own error: files made with gravity have it exact."""
    near = max(UPS.values(), key=lambda axis: float(up @ np.array(axis)))
    return (np.array(near), "file") if up @ np.array(near) > _SNAP else (up, "estimated")


def camera_up(cameras: Cameras) -> np.ndarray:
    """[3] unit: the direction most cameras hold upwards (the mean of their -y axes, those rolled by over 45 degrees
    left out)."""
    ups = -cameras.cam_from_world[:, 1, :3]  # [V, 3]
    mean = ups.mean(axis=0)
    if np.linalg.norm(mean) < _CANCEL:
        raise InputError(
            "which way is up",
            expected="cameras held mostly the same way up",
            got="up vectors that cancel out",
            fix="Say it with --up x, y, z, -x, -y or -z (an axis of the file), or --up keep.",
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
            and counts[level] > 1.5 * np.median(above if len(above) else [0])
        ):
            return float(np.median(heights[(heights >= edges[level]) & (heights <= edges[level + 1])]))
    return float(np.percentile(heights, 1))


def _leveled(capture: Capture, points: np.ndarray, up: np.ndarray) -> np.ndarray:
    """[3] ``up`` refined by what is seen: by the surfaces of depth maps, else by the plane that most points lie on."""
    if capture.depth is not None:
        return level_up(_depth_normals(capture, capture.depth), up)
    return level_plane(points, up) if capture.points is not None else up


def level_plane(points: np.ndarray, up: np.ndarray) -> np.ndarray:
    """[3] the normal of the plane, level within 25 degrees of ``up``, that most of points [P, 3] lie on (RANSAC, then
    least squares); ``up`` itself where fewer than 15 % lie on one."""
    if len(points) < 50:
        return up
    draw, points = np.random.default_rng(0), points[:: -(-len(points) // 5000)]
    tolerance = _THICK * float(np.median(np.linalg.norm(points - np.median(points, axis=0), axis=1)))
    corners = points[draw.integers(0, len(points), (_TRIALS, 3))]  # [T, 3 corners, 3]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    level = np.abs(normals @ up) > np.cos(_CONES[0])
    if not level.any():
        return up
    normals, corners = normals[level], corners[level]
    counts = [(np.abs((points - c[0]) @ n) < tolerance).sum() for n, c in zip(normals, corners, strict=True)]
    best = int(np.argmax(counts))
    away = np.abs((points - corners[best, 0]) @ normals[best])
    around = int(((away >= tolerance) & (away < 3 * tolerance)).sum())  # twice the room, so half as dense where equal
    if counts[best] < max(_PLANE_SHARE * len(points), _PLANE_POINTS, around):
        return up
    normal, at = normals[best], corners[best, 0]
    for _ in range(3):
        near = points[np.abs((points - at) @ normal) < tolerance]
        at = near.mean(axis=0)
        normal = np.linalg.eigh((near - at).T @ (near - at))[1][:, 0]
    normal = normal * np.sign(normal @ up)
    return normal if normal @ up > np.cos(_CONES[0]) else up


def _depth_normals(capture: Capture, depth: np.ndarray) -> np.ndarray:
    normals = []
    for view in range(len(capture)):
        step = max(1, capture.cameras.width // 80)
        points = capture.cameras.unproject(view, depth[view], stride=step)
        known = depth[view, ::step, ::step] > 0
        known = known[:-1, :-1] & known[1:, :-1] & known[:-1, 1:]
        cross = np.cross(points[1:, :-1] - points[:-1, :-1], points[:-1, 1:] - points[:-1, :-1])[known]
        normals.append(cross / np.maximum(np.linalg.norm(cross, axis=1, keepdims=True), 1e-12))
    return np.concatenate(normals)


def _scene_points(capture: Capture) -> np.ndarray:
    """[P, 3] what the scene is made of, as far as known, thinned: points, else unprojected depth, else the cameras
    themselves."""
    if capture.points is not None and len(capture.points):
        return _thinned(capture.points.astype(np.float64))
    if capture.depth is not None:
        step = max(1, capture.cameras.width // 80)
        clouds = [
            capture.cameras.unproject(v, capture.depth[v], stride=step)[capture.depth[v, ::step, ::step] > 0]
            for v in range(len(capture))
        ]
        if sum(map(len, clouds)):
            return np.concatenate(clouds)
    return capture.cameras.positions


def _thinned(points: np.ndarray) -> np.ndarray:
    return points[:: -(-len(points) // _MANY)]


def _median_distance(capture: Capture, points: np.ndarray) -> float:
    """From camera to point, over all views; a view at a time, for points may be many."""
    positions = capture.cameras.positions
    return float(np.median([np.median(np.linalg.norm(points - position, axis=1)) for position in positions]))


def _moved(capture: Capture, turn: np.ndarray, *, scale: float, shift: np.ndarray, known: Known) -> Capture:
    """The capture after x -> scale * turn x + shift."""
    poses = capture.cameras.cam_from_world.copy()
    poses[:, :3, 3] *= scale
    new_from_old = np.eye(4)
    new_from_old[:3, :3], new_from_old[:3, 3] = turn, shift
    points = None if capture.points is None else (scale * capture.points @ turn.T + shift).astype(np.float32)
    return replace(
        capture,
        cameras=replace(capture.cameras, cam_from_world=poses).moved(new_from_old),
        points=points,
        depth=None if capture.depth is None else (capture.depth * scale).astype(np.float32),
        frame=replace(capture.frame.moved(turn, scale=scale, shift=shift), up=known),
    )
