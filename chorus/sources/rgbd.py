"""RGB-D captures: colour, depth (16-bit png, mm), camera-to-world pose and intrinsics files.

Two layouts: `frame-000000.color.jpg .depth.png .pose.txt` beside `camera-intrinsics.txt` (7-Scenes, 3DMatch), and
folders `color/ depth/ pose/ intrinsic/` (ScanNet's exporter).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.params import CaptureParams
from chorus.sources.calibrate import calibrate
from chorus.sources.upright import upright

_COLOR = (".jpg", ".jpeg", ".png")
_MIN_VIEWS = 3


@dataclass(frozen=True)
class _Frame:
    color: Path
    depth: Path
    pose: Path


def find_frames(folder: Path) -> list[_Frame]:
    """The frames of either layout, sorted; those without a depth or pose file have a path that does not exist."""
    folder = Path(folder)
    flat = sorted(path for path in folder.rglob("*.color.*") if path.suffix.lower() in _COLOR)
    frames = [
        _Frame(
            path,
            path.with_name(f"{path.name.split('.')[0]}.depth.png"),
            path.with_name(f"{path.name.split('.')[0]}.pose.txt"),
        )
        for path in flat
    ]
    if not frames and (folder / "color").is_dir():
        colors = [path for path in (folder / "color").iterdir() if path.suffix.lower() in _COLOR]
        colors.sort(key=lambda path: (len(path.stem), path.stem))  # 2 before 10
        frames = [
            _Frame(path, folder / "depth" / f"{path.stem}.png", folder / "pose" / f"{path.stem}.txt") for path in colors
        ]
    return frames


def read_rgbd(folder: Path, params: CaptureParams) -> Capture:
    """A capture from colour, depth and pose files, colour scaled to ``rgbd_long_side``, depth sampled at its pixels, z
    up.

    Frames with an unreadable file or without a finite pose are skipped and counted in ``info["skipped"]``; depth of 0
    or 65535 is unknown. At most ``max_views`` frames are kept, evenly. Raises InputError when fewer than 3 frames
    remain.
    """
    folder = Path(folder)
    frames = find_frames(folder)
    poses, usable, skipped = _poses(frames)
    chosen = (
        np.unique(np.linspace(0, len(usable) - 1, min(len(usable), params.max_views)).round().astype(int))
        if usable
        else []
    )
    images, depths, kept = [], [], []
    for index in chosen:
        try:
            images.append(_read_color(usable[index].color))
            depths.append(_read_depth(usable[index].depth))
            kept.append(index)
        except OSError:
            skipped["files unreadable"] = skipped.get("files unreadable", 0) + 1
            del images[len(kept) :]
    if len(kept) < _MIN_VIEWS:
        counts = ", ".join(f"{count} with {reason}" for reason, count in skipped.items())
        got = f"{len(kept)} of {len(frames)}" + (f" ({counts})" if counts else "")
        raise InputError(folder, expected=f"at least {_MIN_VIEWS} frames with colour, depth and pose", got=got)
    K_color, K_depth = _intrinsics(folder, images[0].shape, depths[0].shape)
    pixels, cameras = _color_views(images, poses[kept], K_color, long_side=params.rgbd_long_side, where=folder)
    found = calibrate(pixels, cameras)
    depth_cameras = replace(
        cameras, K=np.repeat(K_depth[None], len(kept), axis=0), cam_from_world=found.depth_cameras.cam_from_world
    )
    depth = np.stack([_warp_depth(depths[view], depth_cameras, found.cameras, view) for view in range(len(kept))])
    info = {"source": "rgbd", "metric": True, "skipped": skipped}
    info["epipolar_error"] = {"as_given": round(found.before, 3), "calibrated": round(found.after, 3)}  # pixels
    return upright(Capture(images=pixels, depth=depth, cameras=found.cameras, info=info)).validate(folder)


def _poses(frames: list[_Frame]) -> tuple[np.ndarray, list[_Frame], dict[str, int]]:
    """Camera-to-world [V, 4, 4] of the frames that have one, those frames, and the count of the others by reason."""
    poses, usable, skipped = [], [], {}
    for frame in frames:
        try:
            pose = np.loadtxt(frame.pose)
        except (OSError, ValueError):
            skipped["no readable pose"] = skipped.get("no readable pose", 0) + 1
            continue
        if (
            pose.shape != (4, 4)
            or not np.isfinite(pose).all()
            or not np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=2e-2)
        ):
            skipped["no finite rigid pose"] = skipped.get("no finite rigid pose", 0) + 1
            continue
        pose[:3, :3] = _nearest_rotation(pose[:3, :3])
        poses.append(pose)
        usable.append(frame)
    return np.array(poses), usable, skipped


def _nearest_rotation(matrix: np.ndarray) -> np.ndarray:
    """[3, 3] the rotation nearest to a nearly rigid matrix (pose files carry few digits)."""
    left, _, right = np.linalg.svd(matrix)
    return left @ right


def _read_color(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def _read_depth(path: Path) -> np.ndarray:
    """[H, W] float32 m; 0, 65535 and anything not finite become 0 (unknown)."""
    with Image.open(path) as image:
        raw = np.array(image)
    if raw.ndim != 2 or raw.dtype.kind not in "uif":
        raise InputError(
            path, expected="a single-channel depth image in millimetres", got=f"{raw.dtype} {list(raw.shape)}"
        )
    depth = raw.astype(np.float32)
    return np.where(np.isfinite(depth) & (depth > 0) & (depth < 65535), depth, 0.0) / np.float32(1000.0)


def _intrinsics(folder: Path, color_shape: tuple, depth_shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    """K [3, 3] of the colour and of the depth images, from the intrinsics files next to the frames."""
    color = _first_matrix(
        folder, ("camera-intrinsics.txt", "intrinsics.txt", "intrinsic/intrinsic_color.txt", "intrinsic_color.txt")
    )
    depth = _first_matrix(folder, ("intrinsic/intrinsic_depth.txt", "intrinsic_depth.txt"))
    if color is None:
        raise InputError(
            folder,
            expected="camera-intrinsics.txt with a 3x3 matrix",
            got="none",
            fix="Write fx 0 cx / 0 fy cy / 0 0 1 there.",
        )
    if depth is None:  # registered to the colour image: the same pinhole at the depth image's size
        depth = color.copy()
        depth[0] *= depth_shape[1] / color_shape[1]
        depth[1] *= depth_shape[0] / color_shape[0]
    return color, depth


def _first_matrix(folder: Path, names: tuple[str, ...]) -> np.ndarray | None:
    for name in names:
        path = folder / name
        if not path.exists():
            continue
        try:
            matrix = np.loadtxt(path)[:3, :3]
        except (OSError, ValueError, IndexError) as error:
            raise InputError(path, expected="a 3x3 or 4x4 matrix of numbers", got=error) from error
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or min(matrix[0, 0], matrix[1, 1]) <= 0:
            raise InputError(path, expected="finite intrinsics with positive focal lengths", got=matrix.tolist())
        return matrix
    return None


def _color_views(
    images: list, poses: np.ndarray, K_color: np.ndarray, *, long_side: int, where: Path
) -> tuple[np.ndarray, Cameras]:
    """Images [V, H, W, 3] of at most ``long_side`` and the cameras the files give them."""
    shapes = {image.shape for image in images}
    if len(shapes) > 1:
        raise InputError(
            where, expected="colour images of one size", got=", ".join(sorted(f"{s[1]}x{s[0]}" for s in shapes))
        )
    height, width = images[0].shape[:2]
    scale = min(1.0, long_side / max(width, height))
    size = (round(width * scale), round(height * scale))
    K = np.diag([size[0] / width, size[1] / height, 1.0]) @ K_color
    pixels = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
    return pixels, Cameras(
        K=np.repeat(K[None], len(images), axis=0), cam_from_world=np.linalg.inv(poses), width=size[0], height=size[1]
    )


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
