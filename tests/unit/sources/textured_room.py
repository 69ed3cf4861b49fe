"""A box room with noise on its walls, whose cameras and pixels are known in closed form, seen through any lens; and
writers of the layouts in which people keep such captures."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from chorus.cameras import to_opengl
from chorus.capture import Capture
from chorus.params import CaptureParams

LOW, HIGH = np.array([-3.0, -2.5, 0.0]), np.array([3.0, 2.5, 2.6])  # metres, z up
PARAMS = CaptureParams(views=1, width=1, height=1, photo_long_side=240, rgbd_long_side=240, max_views=60)
WIDTH, HEIGHT, FOCAL = 200, 150, 92.0
SPEC = {"fl_x": FOCAL, "fl_y": FOCAL, "cx": WIDTH / 2, "cy": HEIGHT / 2, "w": WIDTH, "h": HEIGHT}


def _noise(draw: np.random.Generator, size: int = 512) -> np.ndarray:
    out = np.zeros((size, size, 3))
    for cells, weight in ((8, 0.5), (32, 0.5), (128, 0.6), (256, 0.35)):
        out += weight * np.kron(draw.uniform(-1, 1, (cells, cells, 3)), np.ones((size // cells, size // cells, 1)))
    return np.clip(128 + 70 * out, 0, 255)


_DRAW = np.random.default_rng(11)
_WALLS = [_noise(_DRAW) for _ in range(6)]


def trace(eye: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(colours [..., 3] uint8, how many rays' lengths away [...]) along rays [..., 3] from a point in the room."""
    with np.errstate(divide="ignore", invalid="ignore"):
        exits = (np.where(rays > 0, HIGH, LOW) - eye) / rays
    exits = np.where(np.isfinite(exits) & (exits > 1e-9), exits, np.inf)
    axis, length = exits.argmin(axis=-1), exits.min(axis=-1)
    share = (eye + length[..., None] * rays - LOW) / (HIGH - LOW)
    colors = np.zeros(rays.shape, np.uint8)
    for a in range(3):
        u, v = [other for other in range(3) if other != a]
        for side in (False, True):
            here = (axis == a) & ((rays[..., a] > 0) == side)
            rows, columns = ((share[here][:, k] * 511).clip(0, 511).astype(int) for k in (v, u))
            colors[here] = _WALLS[2 * a + side][rows, columns]
    return colors, length


def pinhole(width: int = WIDTH, height: int = HEIGHT, focal: float = FOCAL) -> np.ndarray:
    """[H, W, 3] rays of unit depth."""
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return np.stack([(columns - width / 2) / focal, (rows - height / 2) / focal, np.ones_like(rows)], axis=-1)


def shoot(pose: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Image and depth along the optical axis of a camera-to-world pose (OpenCV axes)."""
    colors, length = trace(pose[:3, 3], rays @ pose[:3, :3].T)
    return colors, length * rays[..., 2]


def look(eye, target, up=(0, 0, 1.0)) -> np.ndarray:
    """[4, 4] camera-to-world, OpenCV axes."""
    eye, forward = np.asarray(eye, float), np.asarray(target, float) - np.asarray(eye, float)
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, np.asarray(up, float))
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = np.stack([right, np.cross(forward, right), forward], axis=1), eye
    return pose


def walk(count: int = 12) -> list[np.ndarray]:
    """Poses on a ring through the room, looking across it."""
    angles = 2 * np.pi * np.arange(count) / count
    eyes = np.stack([1.4 * np.cos(angles), 1.2 * np.sin(angles), 1.4 + 0.25 * np.sin(3 * angles)], axis=1)
    return [look(eye, [-1.8 * np.cos(a), -1.5 * np.sin(a), 0.8]) for eye, a in zip(eyes, angles, strict=True)]


def write_photos(
    folder: Path,
    *,
    poses: list[np.ndarray] | None = None,
    rays: np.ndarray | None = None,
    spec: dict | None = None,
    world: np.ndarray | None = None,
    frame: Callable[[int], dict] = lambda i: {},
    save: Callable[[np.ndarray, Path], object] = lambda image, path: Image.fromarray(image).save(path),
    suffix: str = ".png",
    path: str = "images/{:03d}",
) -> Path:
    """transforms.json and the photos it names. world: [4, 4] put before every pose."""
    (folder / "images").mkdir(parents=True)
    rays, frames = pinhole() if rays is None else rays, []
    for i, pose in enumerate(walk() if poses is None else poses):
        save(shoot(pose, rays)[0], folder / "images" / f"{i:03d}{suffix}")
        matrix = (np.eye(4) if world is None else world) @ to_opengl(np.linalg.inv(pose))
        frames.append({"file_path": path.format(i) + suffix, "transform_matrix": matrix.tolist(), **frame(i)})
    (folder / "transforms.json").write_text(json.dumps({**(SPEC if spec is None else spec), "frames": frames}))
    return folder


def edit(folder: Path, change: Callable[[dict], object], *, encoding: str = "utf-8") -> Path:
    """Rewrite transforms.json."""
    file = folder / "transforms.json"
    spec = json.loads(file.read_text())
    file.write_text(json.dumps(change(spec) or spec), encoding=encoding)
    return folder


def differences(capture: Capture, poses: list[np.ndarray]) -> dict[str, float]:
    """A capture beside the truth, its world aligned with the true one by the cameras: the scale, how far centres
    (metres), rotations and up (degrees) are off, and by how much its pixels differ from the room seen by the camera it
    states (0..255; some 45 where unrelated)."""
    found, truth = capture.cameras.world_from_cam, np.array(poses)[: len(capture)]
    a, b = found[:, :3, 3] - found[:, :3, 3].mean(axis=0), truth[:, :3, 3] - truth[:, :3, 3].mean(axis=0)
    left, sizes, right = np.linalg.svd(b.T @ a)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    turn = left @ np.diag(signs) @ right
    scale = float((sizes * signs).sum() / (a**2).sum())
    cosine = (np.einsum("ij,vjk,vik->v", turn, found[:, :3, :3], truth[:, :3, :3]) - 1) / 2
    pixels = []
    for view in range(0, len(capture), 3):
        columns, rows = np.meshgrid(np.arange(capture.cameras.width) + 0.5, np.arange(capture.cameras.height) + 0.5)
        rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(capture.cameras.K[view]).T
        expected = shoot(truth[view], rays)[0].astype(float)
        shown = capture.images[view].astype(float)  # blurred: resampling changes the finest noise, not what is where
        off = np.abs(cv2.GaussianBlur(shown - expected, (0, 0), 1.5)).mean(axis=-1)
        pixels.append(off.mean() if capture.mask is None else off[capture.mask[view]].mean())
    return {
        "scale": scale,
        "centers": float(np.sqrt(((b - scale * a @ turn.T) ** 2).sum(axis=1).mean())),
        "rotations": float(np.degrees(np.arccos(cosine.clip(-1, 1))).max()),
        "up": float(np.degrees(np.arccos(np.clip((turn @ [0, 0, 1.0])[2], -1, 1)))),
        "pixels": float(np.mean(pixels)),
    }


def to_truth(capture: Capture, poses: list[np.ndarray], points: np.ndarray) -> np.ndarray:
    """Points [P, 3] of a capture in the true world."""
    found, truth = capture.cameras.positions, np.array(poses)[: len(capture), :3, 3]
    a, b = found - found.mean(axis=0), truth - truth.mean(axis=0)
    left, sizes, right = np.linalg.svd(b.T @ a)
    turn = left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right
    return float(sizes.sum() / (a**2).sum()) * (points - found.mean(axis=0)) @ turn.T + truth.mean(axis=0)


def from_walls(points: np.ndarray) -> np.ndarray:
    """[P] metres to the nearest wall."""
    return np.minimum(np.abs(points - LOW), np.abs(points - HIGH)).min(axis=1)
