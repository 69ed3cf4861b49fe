"""From posed photos of any source to a Capture: lenses undone, sizes brought together, points found, world upright."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.frames import Frame
from chorus.incoming import IngestOptions
from chorus.params import CaptureParams
from chorus.sources.clouds import Cloud
from chorus.sources.depth import MILLIMETERS, read_depth
from chorus.sources.images import Range, load_mask, load_rgb, refuse_panorama, value_range
from chorus.sources.lenses import Lens, undistort
from chorus.sources.measure import measured
from chorus.sources.poses import UNREADABLE, check_enough
from chorus.sources.triangulate import match_views, triangulate
from chorus.sources.upright import Convention, upright

MIN_VIEWS = 3
_MEASURED = 0.8  # of the views have depth, or none counts
_STRETCH = 1.35  # images whose shapes differ by no more are brought to one shape by stretching (K follows), else padded


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One photo whose camera is known."""

    path: Path
    lens: Lens  # of the photo, at the size the intrinsics speak of
    pose: np.ndarray  # [4, 4] float64 camera-to-world, OpenCV axes
    mask: Path | None = None
    depth: Path | None = None
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Shots:
    """What a reader found: everything as the files have it, poses and points in doubles."""

    where: Path
    source: str
    shots: Sequence[Shot]
    cloud: Cloud | None = None
    frame: Frame = Frame(up="assumed", unit="unknown", unit_known="assumed")
    convention: Convention = Convention()
    skipped: Counter = field(default_factory=Counter)  # reason -> how many
    notes: Sequence[str] = ()
    depth_unit: float = MILLIMETERS  # metres of one count of the depth images
    as_stored: bool = False  # poses are of the stored pixels, EXIF set aside


@dataclass(frozen=True)
class _View:
    image: np.ndarray  # [H, W, 3] uint8
    K: np.ndarray  # [3, 3]
    mask: np.ndarray | None  # [H, W] bool
    depth: np.ndarray | None  # [H, W] float32 m


def evenly(count: int, most: int) -> np.ndarray:
    """Indices of at most ``most`` of ``count`` things, spread evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)) if count else np.zeros(0, int)


def make_capture(found: Shots, params: CaptureParams, options: IngestOptions) -> Capture:
    """A capture of posed photos: at most ``max_views``, ``photo_long_side`` pixels long, z up, checked.

    Unreadable photos are skipped and counted in ``info["skipped"]``; fewer than 3 views, or less than half of those
    named, raise InputError. Poses and points are moved to the middle of the cameras before anything is rounded.
    """
    chosen = [found.shots[i] for i in evenly(len(found.shots), params.max_views)]
    skipped, deep = Counter(found.skipped), value_range(shot.path for shot in chosen)
    views, kept = [], []
    for shot in chosen:
        try:
            views.append(_view(shot, params.photo_long_side, deep, found, options))
            kept.append(shot)
        except OSError:
            skipped[UNREADABLE] += 1
    check_enough(found.where, len(kept), skipped, least=MIN_VIEWS, fix="Copy the photos beside their poses.")
    views = _one_size(views)
    poses = np.stack([shot.pose for shot in kept])
    center = np.median(poses[:, :3, 3], axis=0)
    poses[:, :3, 3] -= center
    pixels, (height, width) = np.stack([view.image for view in views]), views[0].image.shape[:2]
    cameras = Cameras(
        K=np.stack([view.K for view in views]), cam_from_world=np.linalg.inv(poses), width=width, height=height
    )
    mask = None if any(v.mask is None for v in views) else np.stack([v.mask for v in views])  # type: ignore[arg-type]
    depth = _depth(views)
    if options.depth_scale is not None and depth is None:
        raise InputError(found.where, expected="depth images for --depth-scale", got="none", fix="Leave it out.")
    matches = match_views(pixels, cameras, mask)
    if found.cloud is not None:
        points, colors = found.cloud.points - center, found.cloud.colors
    else:
        points, colors = (None, None) if depth is not None else triangulate(matches, pixels, cameras)
    notes = [*found.notes, *([] if deep is None else [deep.says()])]
    if depth is None and (measuring := sum(view.depth is not None for view in views)):
        notes.append(f"depth is left out: {measuring} of {len(views)} views have it")
    info = {"source": found.source, "skipped": dict(sorted(skipped.items())), "notes": notes}
    if depth is not None:
        first = next(shot.depth for shot in kept if shot.depth is not None)
        info["depth_scale"] = options.depth_scale or round(1 / read_depth(first, counts=found.depth_unit).unit, 4)
    frame = replace(found.frame, offset=tuple(center.tolist()))
    scale = options.scale
    if scale is not None and depth is not None:  # depth has a unit of its own: only poses and points are scaled
        cameras = replace(cameras, cam_from_world=scaled_poses(cameras.cam_from_world, scale))
        points = None if points is None else points * scale
        frame, scale = replace(frame, scale=scale, unit="m", unit_known="given"), None
    info["measured"] = measured(matches, cameras, depth=depth, points=points)
    capture = Capture(
        images=pixels,
        cameras=cameras,
        points=points,
        point_colors=colors,
        mask=mask,
        depth=depth,
        frame=frame,
        info=info,
    )
    return upright(capture, up=options.up, scale=scale, convention=found.convention).validate(found.where)


def scaled_poses(poses: np.ndarray, scale: float) -> np.ndarray:
    """Poses [V, 4, 4], either way round, in a world whose lengths are ``scale`` times as many."""
    poses = poses.copy()
    poses[:, :3, 3] *= scale
    return poses


def _view(shot: Shot, long_side: int, deep: Range | None, found: Shots, options: IngestOptions) -> _View:
    """The photo as the widest pinhole camera that shows only seen pixels, at most ``long_side`` pixels long."""
    refuse_panorama(shot.path)
    image = load_rgb(shot.path, size=shot.lens.size, deep=deep, as_stored=found.as_stored)
    mask = None if shot.mask is None else load_mask(shot.mask, size=shot.lens.size)
    unit = None if options.depth_scale is None else 1.0 / options.depth_scale
    depth = None if shot.depth is None else read_depth(shot.depth, unit=unit, counts=found.depth_unit).meters
    size, lens = fitting(image.shape[:2], shot.lens, shot.path), shot.lens
    scale = min(1.0, long_side / max(size))
    target = (round(size[0] * scale), round(size[1] * scale))
    if lens.bends:  # undone at twice the size that is wanted, for a clean reduction
        scale = min(1.0, 2 * long_side / max(size))
        lens = lens.scaled(round(size[0] * scale), round(size[1] * scale))
        image, K = undistort(cv2.resize(image, lens.size, interpolation=cv2.INTER_AREA), lens)
    else:
        lens = lens.scaled(*size)
        K = lens.K
    K = np.diag([target[0] / lens.size[0], target[1] / lens.size[1], 1.0]) @ K
    image = cv2.resize(image, target, interpolation=cv2.INTER_AREA)
    layers = [None if x is None else _layer(x, lens, target) for x in (mask, depth)]
    mask, depth = (None if layers[0] is None else layers[0] > 0), layers[1]
    if mask is not None and depth is not None:
        depth = np.where(mask, depth, 0.0).astype(np.float32)
    return _View(image, K, mask, depth)


def _layer(layer: np.ndarray, lens: Lens, target: tuple[int, int]) -> np.ndarray:
    """A mask or depth map through the same lens to the same size; no value is mixed with another."""
    layer = layer.astype(np.uint8) if layer.dtype == bool else layer
    layer = cv2.resize(layer, lens.size, interpolation=cv2.INTER_NEAREST)
    layer, _ = undistort(layer, lens, nearest=True)
    return cv2.resize(layer, target, interpolation=cv2.INTER_NEAREST)


def fitting(shape: tuple[int, ...], lens: Lens, path: Path) -> tuple[int, int]:
    """(width, height) of an image whose shape is that of the lens, at another size perhaps. Raises InputError."""
    height, width = shape[:2]
    if abs(width * lens.size[1] - height * lens.size[0]) > max(width, height, *lens.size):
        raise InputError(
            path,
            expected=f"an image of the shape {lens.size[0]}x{lens.size[1]}, as its camera says",
            got=f"{width}x{height}",
            fix="Use the photos the poses were made from, not turned, cropped or replaced.",
        )
    return width, height


def _depth(views: list[_View]) -> np.ndarray | None:
    """[V, H, W] with zeros for the few views without any; None where those are more."""
    maps = [view.depth for view in views if view.depth is not None]
    if len(maps) < _MEASURED * len(views):
        return None
    return np.stack([np.zeros_like(maps[0]) if view.depth is None else view.depth for view in views])


def _one_size(views: list[_View]) -> list[_View]:
    """The views at one size, each with its own K: stretched where their shapes are alike, else padded with pixels that
    take no part."""
    sizes = [(view.image.shape[1], view.image.shape[0]) for view in views]
    if len(set(sizes)) == 1:
        return _one_mask(views, sizes[0])
    shapes = [width / height for width, height in sizes]
    width, height = max(w for w, _ in sizes), max(h for _, h in sizes)
    if max(shapes) / min(shapes) <= _STRETCH:
        return _one_mask([_stretched(view, (width, height)) for view in views], (width, height))
    return [_padded(view, (width, height)) for view in views]


def _one_mask(views: list[_View], size: tuple[int, int]) -> list[_View]:
    """All views with a mask where one has it."""
    if all(view.mask is None for view in views):
        return views
    full = np.ones((size[1], size[0]), bool)
    return [_View(v.image, v.K, full if v.mask is None else v.mask, v.depth) for v in views]


def _stretched(view: _View, size: tuple[int, int]) -> _View:
    height, width = view.image.shape[:2]
    K = np.diag([size[0] / width, size[1] / height, 1.0]) @ view.K
    mask = (
        None if view.mask is None else cv2.resize(view.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    )
    depth = None if view.depth is None else cv2.resize(view.depth, size, interpolation=cv2.INTER_NEAREST)
    return _View(cv2.resize(view.image, size, interpolation=cv2.INTER_AREA), K, mask, depth)


def _padded(view: _View, size: tuple[int, int]) -> _View:
    height, width = view.image.shape[:2]
    right, below = size[0] - width, size[1] - height
    mask = np.ones((height, width), bool) if view.mask is None else view.mask
    image = np.pad(view.image, ((0, below), (0, right), (0, 0)), mode="edge")
    depth = None if view.depth is None else np.pad(view.depth, ((0, below), (0, right)))
    return _View(image, view.K, np.pad(mask, ((0, below), (0, right))), depth)
