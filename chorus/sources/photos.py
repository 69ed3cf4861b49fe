"""Photos with poses in a `transforms.json`, as nerfstudio and instant-ngp write it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from chorus.cameras import Cameras, from_opengl
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.io import read_points
from chorus.json_files import read_json
from chorus.params import CaptureParams
from chorus.sources.triangulate import triangulate
from chorus.sources.upright import upright

_SUFFIXES = ("", ".png", ".jpg", ".jpeg", ".JPG", ".PNG")
_MIN_VIEWS = 3


@dataclass(frozen=True)
class _Frame:
    path: Path
    pose: np.ndarray  # [4, 4] OpenGL camera-to-world
    K: np.ndarray  # [3, 3] of the original image
    distortion: np.ndarray  # [4] or [8]: k1 k2 p1 p2 [k3 k4 k5 k6], or the four fisheye coefficients
    fisheye: bool
    size: tuple[int, int]  # width, height the intrinsics speak of


def read_photos(folder: Path, params: CaptureParams) -> Capture:
    """A capture from a folder with transforms.json: distortion undone, scaled to ``photo_long_side``, z up,
    ``max_views`` at most.

    Photos named there that are absent or unreadable are skipped and counted in ``info["skipped"]``; when fewer than
    3 views or less than half remain, or poses are not rigid, raises InputError.
    """
    folder = Path(folder)
    spec = _read_spec(folder / "transforms.json")
    frames, missing = _frames(folder, spec)
    frames = (
        [
            frames[i]
            for i in np.unique(np.linspace(0, len(frames) - 1, min(len(frames), params.max_views)).round().astype(int))
        ]
        if frames
        else []
    )
    images, kept, unreadable = [], [], []
    for frame in frames:
        try:
            images.append(_undistorted(frame, params.photo_long_side))
            kept.append(frame)
        except OSError:
            unreadable.append(frame.path.name)
    skipped = {"photos absent": len(missing), "photos unreadable": len(unreadable)}
    _check_enough(folder, kept, unreadable + missing)
    if len({image.shape for image, _ in images}) > 1:
        sizes = sorted({f"{image.shape[1]}x{image.shape[0]}" for image, _ in images})
        raise InputError(
            folder,
            expected="photos of one size",
            got=", ".join(sizes),
            fix="Keep the photos of one orientation in transforms.json.",
        )
    height, width = images[0][0].shape[:2]
    cameras = Cameras(
        K=np.stack([K for _, K in images]),
        cam_from_world=from_opengl(np.stack([f.pose for f in kept])),
        width=width,
        height=height,
    )
    pixels = np.stack([image for image, _ in images])
    points, colors = _points(folder, spec, pixels, cameras)
    info = {"source": "photos", "metric": False, "skipped": {name: count for name, count in skipped.items() if count}}
    return upright(Capture(images=pixels, cameras=cameras, points=points, point_colors=colors, info=info)).validate(
        folder
    )


def _read_spec(path: Path) -> dict:
    spec = read_json(path, expected="a JSON file of camera poses")
    if not isinstance(spec, dict) or not isinstance(spec.get("frames"), list) or not spec["frames"]:
        raise InputError(
            path,
            expected="a list 'frames' with file_path and transform_matrix",
            got="no poses",
            fix="Run structure from motion first.",
        )
    return spec


def _frames(folder: Path, spec: dict) -> tuple[list[_Frame], list[str]]:
    """The frames whose photo exists, in the order of their names, and the names of the others."""
    frames, missing = [], []
    for entry in spec["frames"]:
        name = str(entry.get("file_path", "")) if isinstance(entry, dict) else ""
        if not name:
            raise InputError(folder / "transforms.json", expected="a file_path in every frame", got="none")
        path = next((path for path in (folder / (name + suffix) for suffix in _SUFFIXES) if path.is_file()), None)
        if path is None:
            missing.append(name)
            continue
        frames.append(_frame(folder, path, {**spec, **entry}))
    return sorted(frames, key=lambda frame: frame.path.name), missing


def _frame(folder: Path, path: Path, spec: dict) -> _Frame:
    where = f"{folder / 'transforms.json'} ({path.name})"
    try:
        pose = np.array(spec["transform_matrix"], dtype=np.float64)
        with Image.open(path) as image:
            size = (int(spec.get("w", image.width)), int(spec.get("h", image.height)))
        fx = spec.get("fl_x") or 0.5 * size[0] / np.tan(0.5 * spec["camera_angle_x"])
        fy = spec.get("fl_y") or (
            0.5 * size[1] / np.tan(0.5 * spec["camera_angle_y"])
            if "camera_angle_y" in spec and "fl_x" not in spec
            else fx
        )
        K = np.array(
            [[fx, 0, spec.get("cx", size[0] / 2)], [0, fy, spec.get("cy", size[1] / 2)], [0, 0, 1]], dtype=np.float64
        )
        fisheye = str(spec.get("camera_model", "")).upper() == "OPENCV_FISHEYE"
        names = ("k1", "k2", "k3", "k4") if fisheye else ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
        distortion = np.array([float(spec.get(name, 0.0)) for name in names])
    except KeyError as error:
        raise InputError(where, expected="transform_matrix and fl_x or camera_angle_x", got=f"no {error}") from error
    except (TypeError, ValueError) as error:
        raise InputError(where, expected="numbers as intrinsics and pose", got=error) from error
    except OSError:  # an unreadable photo is counted by the caller when it is opened again
        return _Frame(path, np.array(spec.get("transform_matrix")), np.eye(3), np.zeros(4), False, (1, 1))
    if pose.shape != (4, 4) or not np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=2e-2):
        raise InputError(
            where,
            expected="a rigid 4x4 transform_matrix",
            got="NaN, scale or shear" if pose.shape == (4, 4) else list(pose.shape),
        )
    return _Frame(path, pose, K, distortion, fisheye, size)


def _undistorted(frame: _Frame, long_side: int) -> tuple[np.ndarray, np.ndarray]:
    """(image [H, W, 3] uint8, K [3, 3]) of the pinhole camera whose image holds only seen pixels, at most
    ``long_side``."""
    image, K = _load_rgb(frame.path), frame.K.copy()
    height, width = image.shape[:2]
    if abs(width * frame.size[1] - height * frame.size[0]) > max(width, height):  # not the same picture at another size
        raise InputError(
            frame.path,
            expected=f"an image like {frame.size[0]}x{frame.size[1]}",
            got=f"{width}x{height}",
            fix="Undo the rotation or crop.",
        )
    K[0] *= width / frame.size[0]
    K[1] *= height / frame.size[1]
    if frame.fisheye:
        new_K = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(
            K, frame.distortion, (width, height), np.eye(3), balance=0.0
        )
        image = cv2.fisheye.undistortImage(image, K, frame.distortion, Knew=new_K)
        K = new_K
    elif np.abs(frame.distortion).max() > 0:
        new_K, _ = cv2.getOptimalNewCameraMatrix(_at_corner(K, -0.5), frame.distortion, (width, height), alpha=0.0)
        image = cv2.undistort(image, _at_corner(K, -0.5), frame.distortion, newCameraMatrix=new_K)
        K = _at_corner(new_K, 0.5)
    scale = min(1.0, long_side / max(width, height))
    new_width, new_height = round(width * scale), round(height * scale)
    K[0] *= new_width / width
    K[1] *= new_height / height
    return cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_AREA), K


def _at_corner(K: np.ndarray, shift: float) -> np.ndarray:
    """K with its principal point moved: OpenCV counts pixel centres from 0, we from 0.5."""
    K = K.copy()
    K[:2, 2] += shift
    return K


def _load_rgb(path: Path) -> np.ndarray:
    """[H, W, 3] uint8; transparent pixels become white, as the synthetic NeRF scenes have it."""
    with Image.open(path) as image:
        if image.mode in ("RGBA", "LA", "P"):
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.array(image.convert("RGB"))


def _check_enough(folder: Path, kept: list, lost: list[str]) -> None:
    if len(kept) < _MIN_VIEWS or len(kept) < len(lost):
        got = f"{len(kept)} of {len(kept) + len(lost)}" + (f" (first absent or unreadable: {lost[0]})" if lost else "")
        expected = f"at least {_MIN_VIEWS} readable photos and half of those named"
        raise InputError(folder, expected=expected, got=got, fix="Copy the photos beside transforms.json.")


def _points(
    folder: Path, spec: dict, images: np.ndarray, cameras: Cameras
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """The sparse cloud the file names (nerfstudio's ply_file_path), or points triangulated from the photos."""
    named = folder / str(spec["ply_file_path"]) if spec.get("ply_file_path") else None
    if named is not None and named.is_file():
        cloud = read_points(named)
        return cloud.points, cloud.colors
    return triangulate(images, cameras)
