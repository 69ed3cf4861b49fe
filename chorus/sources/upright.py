"""Turning a capture so that z points up, the floor lies near z = 0 and the room is centred in x and y."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from chorus.axes import UPS, turn_up
from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.frames import Known
from chorus.sources.size import size_of

_CONES = np.radians([25.0, 15.0, 10.0, 6.0, 4.0])  # half-angles within which a surface counts as level, narrowing
_VIEW_DISTANCE = 2.0  # what the median distance from camera to scene becomes where the scale is unknown
_ONE_WAY = 0.9  # length of the mean viewing direction, above which all views look one way
_SNAP = np.cos(np.radians(5.0))  # nearer to an axis of the file, an estimate means that axis
_DOWN = np.cos(np.radians(25.0))
_FAR = 1000.0  # lengths from the file's origin, beyond which `keep` gives up that origin for precision
_MANY = 20000  # points are enough for statistics
_THICK = 0.01  # of the scene's radius: the bins that heights are counted in
_REACH = np.radians(8.0)  # how far level surfaces may draw an up that cameras tell
_STRAY = 1e5  # bins from the middle, beyond which a point is of no surface
_SHARPER = 1.15  # times as sharp as before: less says nothing
_SHARP_POINTS = 60
_ROLL, _PITCH = np.radians([4.0, 25.0])  # how far from level people hold cameras: sideways, and up or down
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

    scale: metres of one length, where given; where it is unknown it is estimated (``size.py``), and where nothing
    tells it the scene is scaled so that cameras look at it from a median 2 units. The frame tells how both came about
    and leads back. up "keep": the axes stay as they are. Raises InputError when nothing tells which way is up.
    """
    if scale is not None:
        capture = replace(capture, frame=replace(capture.frame, unit="m", unit_known="given"))
    points, origin = _scene_points(capture), np.asarray(capture.frame.offset)
    if up == "keep":
        scale = 1.0 if scale is None else scale
        shift = scale * origin if np.abs(origin).max() < _FAR else np.zeros(3)
        return _moved(capture, np.eye(3), scale=scale, shift=shift, known="kept")
    direction, known = find_up(capture, points, up=up, convention=convention)
    turn = turn_up(direction)
    points = points @ turn.T
    if scale is None:
        capture, scale = _sized(capture, points, turn)
    points = scale * points
    shift = [*(-0.5 * np.sum(np.percentile(points[:, :2], [1, 99], axis=0), axis=0)), -floor_height(points[:, 2])]
    return _moved(capture, turn, scale=scale, shift=np.array(shift), known=known)


def _sized(capture: Capture, points: np.ndarray, turn: np.ndarray) -> tuple[Capture, float]:
    """(the capture, its frame saying how its unit is known; what its lengths are to be times): metres as far as they
    are known or can be estimated, else a comfortable size. points: [P, 3] of the scene after the turn."""
    if capture.frame.unit == "m":
        return capture, 1.0
    positions, axes = capture.cameras.positions @ turn.T, capture.cameras.cam_from_world[:, 2, :3] @ turn.T
    size = size_of(points, positions, axes) if capture.points is not None else None
    if size is None:
        return capture, _VIEW_DISTANCE / max(_median_distance(positions, points), 1e-9)
    frame = replace(capture.frame, unit="m", unit_known="estimated", unit_error=round(size.error, 3))
    notes = [*capture.info.get("notes", []), f"metres are estimated from {size.what}; --scale or --unit sets them"]
    return replace(capture, frame=frame, info={**capture.info, "notes": notes}), size.meters


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
    """[3] unit: the direction that cameras hold upwards, those rolled by over 45 degrees left out.

    People hold cameras level but pitch them freely, so up is at right angles to the x axes, within a few degrees, and
    to the viewing directions, within far more: the least eigenvector of both, weighted. Where all views look one way
    that is the mean of their -y axes; where they look around, their pitch cancels.
    """
    ups = -cameras.cam_from_world[:, 1, :3]  # [V, 3]
    mean = ups.mean(axis=0)
    if np.linalg.norm(mean) < _CANCEL:
        raise InputError(
            "which way is up",
            expected="cameras held mostly the same way up",
            got="up vectors that cancel out",
            fix="Say it with --up x, y, z, -x, -y or -z (an axis of the file), or --up keep.",
        )
    steady = ups @ (mean / np.linalg.norm(mean)) > np.cos(np.radians(45.0))
    if steady.any():
        mean = ups[steady].mean(axis=0)
    across, forward = (cameras.cam_from_world[steady if steady.any() else slice(None), row, :3] for row in (0, 2))
    scatter = across.T @ across / _ROLL**2 + forward.T @ forward / _PITCH**2
    up = np.linalg.eigh(scatter)[1][:, 0]
    return up * np.sign(up @ mean)


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
    if high - low > 0.04 * _STRAY:
        return float(np.percentile(heights, 1))
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
    """[3] ``up`` refined by what is seen: by surfaces of depth maps, else by the heights points draw together at."""
    if capture.depth is not None:
        return level_up(_depth_normals(capture, capture.depth), up)
    return sharpened_up(points, up) if capture.points is not None else up


def sharpened_up(points: np.ndarray, up: np.ndarray) -> np.ndarray:
    """[3] the direction within 8 degrees of ``up`` along which the heights of points [P, 3] draw together most, as
    floors, tables and shelves do where it is up; ``up`` itself where none is clearly better.

    How much they do is the sum of squares of a histogram of heights; sought on a grid that narrows around its best.
    """
    if len(points) < _SHARP_POINTS:
        return up
    points = points[:: -(-len(points) // 5000)]
    away = np.linalg.norm(points - np.median(points, axis=0), axis=1)
    width = _THICK * float(np.median(away))
    if width <= 0:
        return up
    points = points[away < _STRAY * width]
    sideways = np.linalg.svd(up[None])[2][1:]  # [2, 3] at right angles to up
    tilts, found = np.zeros(2), up
    start = best = _sharpness(points @ up, width)
    for step, count in ((_REACH / 8, 8), (_REACH / 32, 4), (_REACH / 128, 4)):
        steps = np.arange(-count, count + 1)
        around = tilts + step * np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
        for tilt in around[np.linalg.norm(around, axis=1) <= _REACH]:
            direction = up + np.tan(tilt) @ sideways
            direction /= np.linalg.norm(direction)
            likely = np.exp(-0.5 * (tilt @ tilt) / _REACH**2)  # of many directions one is sharp by chance
            if (score := likely * _sharpness(points @ direction, width)) > best:
                best, tilts, found = score, tilt, direction
    return found if best > _SHARPER * start else up


def _sharpness(heights: np.ndarray, width: float) -> float:
    """Of a histogram in overlapping pairs of bins of this width: a level surface may lie across a border."""
    counts, _ = np.histogram(heights, np.arange(heights.min() - 2 * width, heights.max() + 2 * width, width))
    return float(((counts[:-1] + counts[1:]) ** 2).sum()) / len(heights) ** 2


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


def _median_distance(positions: np.ndarray, points: np.ndarray) -> float:
    """From camera to point, over all views; a view at a time, for points may be many."""
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
