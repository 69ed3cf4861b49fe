"""Where to stand in a room: a walk of views that covers it, each overlapping the one before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, sparse

from chorus.cameras import Cameras, image_points, pixel_rays
from chorus.errors import InputError
from chorus.sources.sweethome3d.assemble import RoomScene
from chorus.sources.sweethome3d.classes import CLASS_ID
from chorus.sources.sweethome3d.geometry import distance_to_edges, inside
from chorus.sources.sweethome3d.raycast import FAR, Tracer

CLEARANCE = 0.42  # m, from any surface
MIN_OVERLAP = 0.62  # of a view's pixels seen in the next one, and the other way round
MAX_NOTHING = 0.30  # share of sky and ground outside in a view
_GRID = (12, 9)  # rays a candidate view
_YAWS, _PITCHES = 24, np.deg2rad([-26.0, -9.0, 6.0])
_MAX_POSITIONS = 44
CEILING, WINDOW = CLASS_ID["ceiling"], CLASS_ID["window"]  # the classes after window are furniture
_CELL = 0.25  # m, for coverage


@dataclass(frozen=True, kw_only=True)
class _Candidates:
    """C candidate views with their coarse picture (G rays)."""

    pose: np.ndarray  # [C, 4, 4] cam_from_world
    position: np.ndarray  # [C, 3]
    forward: np.ndarray  # [C, 3]
    depth: np.ndarray  # [C, G] along the axis, FAR where nothing
    point: np.ndarray  # [C, G, 3]
    shows: sparse.csr_matrix  # [C, cells] 1 where a view shows a coverage cell
    weight: np.ndarray  # [cells] worth of seeing a cell
    quality: np.ndarray  # [C] 1, less for views of a blank wall or of something right in front


def choose_views(
    room: RoomScene, tracer: Tracer, *, views: int, width: int, height: int, fov_deg: float, rng: np.random.Generator
):
    """(Cameras, overlaps [views-1]) of a walk through the room.

    Greedy: from the current view, among candidates that share at least MIN_OVERLAP of their pixels with it, the one
    that shows most of what was seen least. Raises InputError when there is no free spot.
    """
    K = intrinsics(width, height, fov_deg)
    positions = free_positions(room, tracer, rng)
    candidates = _candidates(room, tracer, positions, K, width, height)
    grid_K = K * np.array([[_GRID[0] / width], [_GRID[1] / height], [1.0]])
    order, overlaps = _walk(candidates, grid_K, views)
    cameras = Cameras(
        K=np.repeat(K[None], views, axis=0), cam_from_world=candidates.pose[order], width=width, height=height
    )
    return cameras, overlaps


def intrinsics(width: int, height: int, fov_deg: float) -> np.ndarray:
    """[3, 3] square pixels, centred, ``fov_deg`` across."""
    f = width / 2 / np.tan(np.deg2rad(fov_deg) / 2)
    return np.array([[f, 0, width / 2], [0, f, height / 2], [0, 0, 1.0]])


def free_positions(room: RoomScene, tracer: Tracer, rng: np.random.Generator) -> np.ndarray:
    """[P, 3] spots inside the room, outside every item, CLEARANCE from all surfaces. Raises InputError when there is
    none."""
    low, high = room.outline.min(0), room.outline.max(0)
    ceiling = max(room.height, 1.4)
    sphere = _sphere(256)
    for step in (0.3, 0.15, 0.08):
        grid = np.stack(
            np.meshgrid(*(np.arange(a + step / 2, b, step) for a, b in zip(low, high, strict=True))), axis=-1
        ).reshape(-1, 2)
        grid = grid[inside(grid, room.outline) & (distance_to_edges(grid, room.outline) > CLEARANCE)]
        heights = np.linspace(0.55, 0.78, 3) * min(ceiling, 2.5)
        spots = np.concatenate([np.repeat(grid, 3, axis=0), np.tile(heights, len(grid))[:, None]], axis=1)
        spots = spots[~_in_boxes(spots, room.boxes)]
        if len(spots):
            near = tracer.blocked(
                np.repeat(spots, len(sphere), axis=0), np.tile(sphere, (len(spots), 1)), reach=CLEARANCE
            )
            spots = spots[~near.reshape(len(spots), -1).any(1)]
        if len(spots) >= 6 or (step == 0.08 and len(spots)):
            return _spread(spots, _MAX_POSITIONS, rng)
    where = f"{room.info['home']}: room {room.info['room']}"
    raise InputError(
        where, expected=f"a spot {CLEARANCE} m away from everything", got="none", fix="Choose another room."
    )


def _in_boxes(points: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """[N] bool: inside any upright box [B, 7]."""
    found = np.zeros(len(points), bool)
    for x, y, z, hx, hy, hz, angle in boxes:
        d = points - [x, y, z]
        c, s = np.cos(angle), np.sin(angle)
        found |= (
            (np.abs(c * d[:, 0] + s * d[:, 1]) < hx) & (np.abs(c * d[:, 1] - s * d[:, 0]) < hy) & (np.abs(d[:, 2]) < hz)
        )
    return found


def _sphere(count: int) -> np.ndarray:
    """[count, 3] directions spread evenly."""
    i = np.arange(count) + 0.5
    z, turn = 1 - 2 * i / count, np.pi * (1 + 5**0.5) * i
    r = np.sqrt(1 - z**2)
    return np.stack([r * np.cos(turn), r * np.sin(turn), z], axis=1)


def _spread(points: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """At most ``count`` of the points, each as far from the others as can be."""
    if len(points) <= count:
        return points
    chosen = [int(rng.integers(len(points)))]
    distance = np.full(len(points), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.linalg.norm((points - points[chosen[-1]]) * [1, 1, 0.5], axis=1))
        chosen.append(int(distance.argmax()))
    return points[np.sort(chosen)]


def _candidates(
    room: RoomScene, tracer: Tracer, positions: np.ndarray, K: np.ndarray, width: int, height: int
) -> _Candidates:
    poses = _poses(positions)
    rays = pixel_rays(K, _grid_pixels(width, height))
    rotation = poses[:, :3, :3]
    position = np.repeat(positions, _YAWS * len(_PITCHES), axis=0)
    directions = np.einsum("gk,ckj->cgj", rays, rotation)
    views, samples = directions.shape[:2]
    hits = tracer.first(np.repeat(position, samples, axis=0), directions.reshape(-1, 3))
    depth = hits.distance.reshape(views, samples)
    point = position[:, None] + np.minimum(depth, 50.0)[..., None] * directions
    semantic = np.where(hits.triangle >= 0, room.soup.semantic[hits.triangle], 0).reshape(views, samples)
    in_room = _Mask(room.outline).at(point[..., :2])
    nothing = (depth >= FAR) | ((semantic == 0) & ~in_room)
    length = depth * np.linalg.norm(rays, axis=1)
    close = (length < 0.75).mean(1)
    alike = _largest_share(room, hits.triangle.reshape(views, samples))
    good = (nothing.mean(1) <= MAX_NOTHING) & (in_room.mean(1) >= 0.5)
    good = good if good.any() else nothing.mean(1) <= nothing.mean(1).min()
    quality = np.exp(-8.0 * np.maximum(close - 0.12, 0) - 5.0 * np.maximum(alike - 0.5, 0))
    cells, weight = _cells(point[good], nothing[good] | ~in_room[good], semantic[good])
    return _Candidates(
        pose=poses[good],
        position=position[good],
        forward=rotation[good, 2],
        depth=depth[good],
        point=point[good],
        shows=_incidence(cells, len(weight)),
        weight=weight,
        quality=quality[good],
    )


def _incidence(cells: np.ndarray, count: int) -> sparse.csr_matrix:
    """[C, cells] 1 where a view [C, G] shows a cell (-1: none)."""
    rows = np.repeat(np.arange(len(cells)), cells.shape[1])
    kept = cells.ravel() >= 0
    shows = sparse.csr_matrix((np.ones(int(kept.sum())), (rows[kept], cells.ravel()[kept])), shape=(len(cells), count))
    shows.data[:] = 1.0
    return shows


def _largest_share(room: RoomScene, triangle: np.ndarray) -> np.ndarray:
    """[C] share of a view's samples [C, G] on its largest item or on walls facing one way: near 1 for a view of a blank
    wall."""
    soup = room.soup
    n = soup.normals[:, 0]
    axis = np.abs(n).argmax(1)
    facing = axis * 2 + (n[np.arange(len(n)), axis] > 0)
    thing = np.where(soup.instance > 0, soup.instance.astype(np.int64) + 6, facing)[np.maximum(triangle, 0)]
    ordered = np.sort(thing, axis=1)
    longest, run = np.zeros(len(triangle)), np.ones(len(triangle))
    for k in range(1, ordered.shape[1]):
        run = np.where(ordered[:, k] == ordered[:, k - 1], run + 1, 1)
        longest = np.maximum(longest, run)
    return longest / ordered.shape[1]


class _Mask:
    """A floor outline, grown by the thickness of its walls, as a picture to look points up in."""

    step = 0.05

    def __init__(self, outline: np.ndarray):
        self.low = outline.min(0) - 0.5
        counts = np.ceil((outline.max(0) + 0.5 - self.low) / self.step).astype(int)
        x, y = (self.low[k] + (np.arange(counts[k]) + 0.5) * self.step for k in range(2))
        grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
        self.mask = ndimage.binary_dilation(inside(grid, outline).reshape(counts), iterations=4)

    def at(self, points: np.ndarray) -> np.ndarray:
        """[...] bool for points [..., 2]."""
        index = np.floor((points - self.low) / self.step).astype(np.int64)
        within = (index >= 0).all(-1) & (index < self.mask.shape).all(-1)
        index = np.where(within[..., None], index, 0)
        return within & self.mask[index[..., 0], index[..., 1]]


def _poses(positions: np.ndarray) -> np.ndarray:
    """[P * pitches * yaws, 4, 4] cam_from_world at positions [P, 3], level horizon."""
    turns = [_rotation(yaw, pitch) for pitch in _PITCHES for yaw in np.arange(_YAWS) * 2 * np.pi / _YAWS]
    poses = np.zeros((len(positions), len(turns), 4, 4))
    poses[..., :3, :3], poses[..., 3, 3] = turns, 1.0
    poses[..., :3, 3] = -np.einsum("tij,pj->pti", turns, positions)
    return poses.reshape(-1, 4, 4)


def _rotation(yaw: float, pitch: float) -> np.ndarray:
    """[3, 3] camera from world."""
    forward = np.array([np.cos(pitch) * np.cos(yaw), np.cos(pitch) * np.sin(yaw), np.sin(pitch)])
    right = np.array([np.sin(yaw), -np.cos(yaw), 0.0])
    return np.stack([right, np.cross(forward, right), forward])


def _grid_pixels(width: int, height: int) -> np.ndarray:
    """[G, 2] image points spread over a view."""
    x, y = np.meshgrid((np.arange(_GRID[0]) + 0.5) * width / _GRID[0], (np.arange(_GRID[1]) + 0.5) * height / _GRID[1])
    return np.stack([x.ravel(), y.ravel()], axis=-1)


def _cells(point: np.ndarray, ignore: np.ndarray, semantic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coverage cell of every sample [C, G] (-1 where ignored) and the worth of each cell: objects more than walls."""
    index = np.floor(point / _CELL).astype(np.int64) + 512
    key = (index[..., 0] * 2048 + index[..., 1]) * 2048 + index[..., 2]
    key[ignore] = -1
    unique, inverse = np.unique(key, return_inverse=True)
    inverse = inverse.reshape(key.shape)
    weight = np.ones(len(unique))
    weight[np.unique(inverse[semantic == CEILING])] = 0.4
    weight[np.unique(inverse[semantic > WINDOW])] = 3.0
    if unique[0] == -1:
        return inverse - 1, weight[1:]
    return inverse, weight


def _walk(c: _Candidates, K: np.ndarray, views: int) -> tuple[list[int], np.ndarray]:
    seen, used = np.zeros(len(c.weight)), np.zeros(len(c.pose))
    order, overlaps = [int((c.shows @ c.weight * c.quality).argmax())], []
    while len(order) < views:
        now = order[-1]
        seen[c.shows[now].indices] += 1.0
        apart = np.linalg.norm(c.position - c.position[now], axis=1)
        used += np.exp(-apart / 0.25) * np.clip(c.forward @ c.forward[now], 0, 1) ** 40
        near, shared = _next(c, now, K, order)
        gain = c.shows[near] @ (c.weight / (1.0 + seen) ** 1.5)  # the less the more often it was seen
        best = int((gain * c.quality[near] / (1.0 + used[near])).argmax())
        order.append(int(near[best]))
        overlaps.append(float(shared[best]))
    return order, np.array(overlaps)


def _next(c: _Candidates, now: int, K: np.ndarray, order: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Unused candidates (and what they share with the current view) that overlap enough: a little further to the left
    if there are any."""
    ahead = c.forward @ c.forward[now]
    near = (np.linalg.norm(c.position - c.position[now], axis=1) < 1.5) & (ahead > 0.6)
    near[order] = False
    near = np.flatnonzero(near)
    if len(near) == 0:
        near = np.setdiff1d(np.arange(len(c.pose)), order)
        near = near if len(near) else np.array([order[0]])
    shared = np.minimum(_overlap_from(c, now, near, K), _overlap_to(c, now, near, K))
    turn = np.arctan2(*(c.forward[now, 0] * c.forward[near, 1] - c.forward[now, 1] * c.forward[near, 0], ahead[near]))
    for fits in ((shared >= MIN_OVERLAP) & (turn > 0.2), shared >= MIN_OVERLAP, shared >= shared.max()):
        if fits.any():
            break
    return near[fits], shared[fits]


def _overlap_from(c: _Candidates, now: int, others: np.ndarray, K: np.ndarray) -> np.ndarray:
    """[O] share of view ``now``'s samples that the other views see."""
    local = c.pose[others, :3, :3].reshape(-1, 3) @ c.point[now].T + c.pose[others, :3, 3].reshape(-1, 1)  # [3 O, G]
    return _visible(local.reshape(len(others), 3, -1), c.depth[others], K, c.depth[now][None] < FAR)


def _overlap_to(c: _Candidates, now: int, others: np.ndarray, K: np.ndarray) -> np.ndarray:
    """[O] share of the other views' samples that view ``now`` sees."""
    local = c.point[others] @ c.pose[now, :3, :3].T + c.pose[now, :3, 3]
    depth = np.broadcast_to(c.depth[now], (len(others), c.depth.shape[1]))
    return _visible(local.transpose(0, 2, 1), depth, K, c.depth[others] < FAR)


def _visible(local: np.ndarray, depth: np.ndarray, K: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """[O] share of camera-frame points [O, 3, G] inside the picture and not behind its coarse depth [O, G]."""
    z, pixels = local[:, 2], image_points(K, local.transpose(0, 2, 1))
    x, y = pixels[..., 0], pixels[..., 1]
    within = (z > 0.05) & (x >= 0) & (y >= 0) & (x < _GRID[0]) & (y < _GRID[1])
    index = np.where(within, y, 0).astype(int) * _GRID[0] + np.where(within, x, 0).astype(int)
    front = depth.take(index + np.arange(len(index))[:, None] * depth.shape[1])
    shown = within & (z <= front * 1.15 + 0.15)
    return (shown | ~np.broadcast_to(valid, shown.shape) & within).mean(1)
