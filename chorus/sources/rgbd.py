"""RGB-D captures: colour, depth and camera-to-world poses in the layouts of the common data sets (`layouts.py`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.frames import Frame
from chorus.incoming import IngestOptions
from chorus.params import CaptureParams
from chorus.sources.calibrate import calibrate
from chorus.sources.depth import read_depth
from chorus.sources.images import load_rgb, value_range
from chorus.sources.label_names import Labels, read_labels
from chorus.sources.layouts import Layout, RgbdFrame, find_layout, read_intrinsics
from chorus.sources.measure import measured
from chorus.sources.poses import check_enough
from chorus.sources.shots import MIN_VIEWS, evenly
from chorus.sources.triangulate import match_views
from chorus.sources.upright import upright

_COLOR_FILES = (
    "camera-intrinsics.txt", "intrinsics.txt", "intrinsic/intrinsic_color.txt", "intrinsic_color.txt",
    "intrinsics_color.txt",
)  # fmt: skip
_ONE_CAMERA = "Ingest the frames of each camera as a scene of its own."
_FOCALS = (0.05, 100.0)  # of the longer side
_DEPTH_FILES = ("intrinsic/intrinsic_depth.txt", "intrinsic_depth.txt", "intrinsics_depth.txt")


def read_rgbd(folder: Path, params: CaptureParams, options: IngestOptions) -> Capture:
    """A capture from colour, depth and pose files, colour scaled to ``rgbd_long_side``, depth sampled at its pixels, z
    up, with the labels that the data set brings.

    Frames with an unreadable file or without a finite pose are skipped and counted in ``info["skipped"]``; depth of 0
    or 65535 is unknown. At most ``max_views`` frames are kept, evenly. Raises InputError when too few remain.
    """
    folder = Path(folder)
    layout = find_layout(folder)
    if layout is None:
        raise InputError(folder, expected="RGB-D frames", got="no layout that is known", fix="See docs/your-data.md.")
    usable = [frame for frame in layout.frames if frame.pose is not None]
    skipped = Counter(frame.why for frame in layout.frames if frame.pose is None)
    counts = 1 / options.depth_scale if options.depth_scale else None
    images, depths, units, kept = [], [], [], []
    chosen = [usable[i] for i in evenly(len(usable), params.max_views)]
    deep = value_range(frame.color for frame in chosen)
    for frame in chosen:
        try:
            depth, unit = read_depth(frame.depth, unit=counts, counts=layout.depth_unit)
            images.append(load_rgb(frame.color, size=(depth.shape[1], depth.shape[0]), deep=deep, as_stored=True))
        except OSError:
            skipped["files unreadable"] += 1
            continue
        depths.append(depth)
        units.append(unit)
        kept.append(frame)
    check_enough(
        folder, len(kept), skipped, least=MIN_VIEWS, fix="Copy the colour, depth and pose files of every frame."
    )
    if len(sizes := {depth.shape for depth in depths}) > 1:
        got = ", ".join(sorted(f"{size[1]}x{size[0]}" for size in sizes))
        raise InputError(folder, expected="depth images of one size", got=got, fix=_ONE_CAMERA)
    scale = options.scale or 1.0
    poses = np.stack([frame.pose for frame in kept])
    center = np.median(poses[:, :3, 3], axis=0)
    poses[:, :3, 3] = scale * (poses[:, :3, 3] - center)
    K_color, K_depth = _intrinsics(folder, layout, images[0].shape, depths[0].shape)
    pixels, cameras = _color_views(images, poses, K_color, long_side=params.rgbd_long_side, where=folder)
    matches = match_views(pixels, cameras)
    found = calibrate(matches, cameras)
    depth_cameras = replace(
        cameras, K=np.repeat(K_depth[None], len(kept), axis=0), cam_from_world=found.depth_cameras.cam_from_world
    )
    depth = np.stack([_warp_depth(depths[view], depth_cameras, found.cameras, view) for view in range(len(kept))])
    info = {"source": "rgbd", "layout": layout.name, "skipped": dict(sorted(skipped.items())), "notes": []}
    info["epipolar_error"] = {"as_given": round(found.before, 3), "calibrated": round(found.after, 3)}  # pixels
    info["measured"] = measured(matches, found.cameras, depth=depth)
    info["depth_scale"] = round(1 / float(np.median(units)), 4)  # the files' numbers a metre
    given = "given" if options.scale else "file"
    frame = Frame(up="estimated", unit="m", unit_known=given, scale=scale, offset=tuple(center.tolist()))
    labels = _labels(folder, kept, (cameras.width, cameras.height))
    capture = Capture(images=pixels, depth=depth, cameras=found.cameras, frame=frame, info=info, **labels)
    return upright(capture, up=options.up).validate(folder)


def _intrinsics(folder: Path, layout: Layout, color_shape: tuple, depth_shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    """K [3, 3] of the colour and of the depth images: from the intrinsics files next to the frames, else the data
    set's."""
    color, depth = read_intrinsics(folder, _COLOR_FILES), read_intrinsics(folder, _DEPTH_FILES)
    if color is None:
        color = layout.K
    if color is None:
        raise InputError(
            folder,
            expected=f"the colour camera's 3x3 matrix in one of {', '.join(_COLOR_FILES)}",
            got="none",
            fix="Write fx 0 cx / 0 fy cy / 0 0 1 to camera-intrinsics.txt.",
        )
    _plausible(folder, color, color_shape)
    if depth is None:  # registered to the colour image: the same pinhole at the depth image's size
        depth = color.copy()
        depth[0] *= depth_shape[1] / color_shape[1]
        depth[1] *= depth_shape[0] / color_shape[0]
    _plausible(folder, depth, depth_shape)
    return color, depth


def _plausible(where: Path, K: np.ndarray, shape: tuple) -> None:
    """Raise InputError for focal lengths no camera with images of this shape has: they are of another size or unit."""
    side = max(shape[:2])
    if not all(_FOCALS[0] * side < focal < _FOCALS[1] * side for focal in (K[0, 0], K[1, 1])):
        got, expected = f"{K[0, 0]:.6g} and {K[1, 1]:.6g}", f"focal lengths in pixels of images {side} long"
        raise InputError(where, expected=expected, got=got, fix="Write those of the images in this folder.")


def _color_views(
    images: list, poses: np.ndarray, K_color: np.ndarray, *, long_side: int, where: Path
) -> tuple[np.ndarray, Cameras]:
    """Images [V, H, W, 3] of at most ``long_side`` and the cameras the files give them."""
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise InputError(
            where,
            expected="colour images of one size, as one camera takes them",
            got=", ".join(sorted(f"{s[1]}x{s[0]}" for s in shapes)),
            fix=_ONE_CAMERA,
        )
    height, width = images[0].shape[:2]
    scale = min(1.0, long_side / max(width, height))
    size = (round(width * scale), round(height * scale))
    K = np.diag([size[0] / width, size[1] / height, 1.0]) @ K_color
    pixels = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
    return pixels, Cameras(
        K=np.repeat(K[None], len(images), axis=0), cam_from_world=np.linalg.inv(poses), width=size[0], height=size[1]
    )


def _labels(folder: Path, frames: list[RgbdFrame], size: tuple[int, int]) -> dict:
    """The label fields of a capture [V, H, W]; none where the data set brings no labels."""
    if all(frame.semantic is None for frame in frames):
        return {}
    labels: Labels = read_labels(folder)

    def layer(paths: list[Path | None], read: Callable, kind: type) -> np.ndarray:
        """A frame without a file is unlabelled."""
        return np.stack([np.zeros(size[::-1], kind) if path is None else read(path, size) for path in paths])

    found = {"semantic": layer([frame.semantic for frame in frames], labels.of_image, np.uint8)}
    found |= {"class_names": labels.names}
    if any(frame.instance is not None for frame in frames):
        found["instance"] = layer([frame.instance for frame in frames], labels.instances, np.uint16)
    return found


def _warp_depth(depth: np.ndarray, source: Cameras, target: Cameras, view: int) -> np.ndarray:
    """[H, W] the depth map [h, w] of camera ``source`` as camera ``target`` sees it: the nearest surface in each pixel,
    0 where none.

    When the depth image is the coarser one it is first repeated to the target's density, so that no holes open between
    its pixels.
    """
    repeat = int(np.ceil(target.K[view, 0, 0] / source.K[view, 0, 0]))
    K = np.diag([repeat, repeat, 1.0]) @ source.K[view]
    depth = depth.repeat(repeat, axis=0).repeat(repeat, axis=1)
    fine = replace(source, K=np.where(np.arange(len(source))[:, None, None] == view, K, source.K))
    pixels, seen = target.project(view, fine.unproject(view, depth)[depth > 0])
    pixels, seen = pixels[seen > 1e-3], seen[seen > 1e-3]
    columns, rows = np.floor(pixels).astype(int).T
    inside = (columns >= 0) & (columns < target.width) & (rows >= 0) & (rows < target.height)
    nearest = np.full((target.height, target.width), np.inf, np.float32)
    np.minimum.at(nearest, (rows[inside], columns[inside]), seen[inside].astype(np.float32))
    return np.where(np.isfinite(nearest), nearest, 0.0).astype(np.float32)
