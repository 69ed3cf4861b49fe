"""Still pictures of a scene in any per-Gaussian colours: from above with the ceiling off, and from inside."""

from __future__ import annotations

import numpy as np
import torch

from chorus.cameras import Cameras, look_at
from chorus.capture import Capture
from chorus.scene import GaussianScene, scene_from_colors
from chorus.splat import rasterize

SOLID = 0.1  # opacity under which a Gaussian has no say in where the room is
EYE_HEIGHT = 0.6  # of the room's height


def render(scene: GaussianScene, rgb: np.ndarray, cameras: Cameras) -> np.ndarray:
    """[V, H, W, 4] uint8 pictures, transparent where no Gaussian is. rgb: [N, 3] in 0..1."""
    with torch.no_grad():
        out = rasterize.render(recolored(scene, rgb), cameras)
    color, alpha = out.colors.cpu().numpy(), out.alpha.cpu().numpy()[..., None]
    straight = color / np.maximum(alpha, 1e-6)  # composited on black
    return (np.concatenate([straight, alpha], axis=-1).clip(0, 1) * 255 + 0.5).astype(np.uint8)


def recolored(scene: GaussianScene, rgb: np.ndarray) -> GaussianScene:
    """The scene with flat colours rgb [N, 3] in 0..1 in place of its spherical harmonics."""
    return scene_from_colors(
        scene.means, scene.quats, scene.scales, scene.opacities, scene.means.new_tensor(np.asarray(rgb))
    )


def bounds(scene: GaussianScene) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner [3] m of the room: what lies between the first and last 2 % of the solid Gaussians."""
    means = scene.means.detach().cpu().numpy().astype(np.float64)
    solid = scene.opacities.detach().cpu().numpy() > SOLID
    low, high = np.percentile(means[solid] if solid.any() else means, [2, 98], axis=0)
    return low, np.maximum(high, low + 1e-3)


def without_ceiling(scene: GaussianScene) -> np.ndarray:
    """[N] bool: Gaussians in the lower four fifths of the room, and not far outside it."""
    low, high = bounds(scene)
    means = scene.means.detach().cpu().numpy()
    margin = 0.15 * (high - low)[:2].max()
    inside = ((means[:, :2] > low[:2] - margin) & (means[:, :2] < high[:2] + margin)).all(axis=1)
    return inside & (means[:, 2] < low[2] + 0.8 * (high - low)[2])


def top_camera(scene: GaussianScene, *, width: int = 480, height: int = 360) -> Cameras:
    """A camera looking straight down on the room, its longer side across the picture, from three times its size."""
    low, high = bounds(scene)
    size, center = high - low, (low + high) / 2
    along_y = size[1] > size[0]
    across, down = (size[1], size[0]) if along_y else (size[0], size[1])
    distance = 3.0 * max(across, down)
    eye = np.array([center[0], center[1], high[2] + distance])
    pose = look_at(eye, np.array([center[0], center[1], low[2]]), up=(-1.0, 0.0, 0.0) if along_y else (0.0, 1.0, 0.0))
    focal = 0.92 * min(width * distance / across, height * distance / down)
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return Cameras(K=K[None], cam_from_world=pose[None], width=width, height=height)


def inside_camera(scene: GaussianScene, *, width: int = 480, height: int = 360) -> Cameras:
    """A camera at eye height near the emptiest corner, looking across the room (for scenes without a capture)."""
    low, high = bounds(scene)
    center = (low + high) / 2
    z = low[2] + EYE_HEIGHT * (high - low)[2]
    steps = np.linspace(0.12, 0.88, 7)
    eyes = np.array([[*(low[:2] + (high - low)[:2] * (a, b)), z] for a in steps for b in steps])
    means = scene.means.detach().cpu().numpy()
    solid = means[scene.opacities.detach().cpu().numpy() > SOLID]
    clear = np.array([np.linalg.norm(solid - eye, axis=1).min() for eye in eyes]) if len(solid) else np.ones(len(eyes))
    room = np.linalg.norm(eyes - center, axis=1)
    eye = eyes[np.argmax(room * (clear > min(0.35, 0.8 * clear.max())))]
    target = np.array([*center[:2], low[2] + 0.4 * (high - low)[2]])
    if np.linalg.norm(target - eye) < 1e-6:
        target = target + [0.1, 0.0, 0.0]
    focal = 0.6 * width
    K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return Cameras(K=K[None], cam_from_world=look_at(eye, target)[None], width=width, height=height)


def best_view(capture: Capture) -> Cameras:
    """The view that sees the most classes, wall, floor and ceiling aside, each with at least 1 % of the picture."""
    if capture.semantic is None:
        return capture.cameras.select(slice(0, 1))
    least = capture.semantic[0].size // 100
    kinds = [(np.bincount(view.ravel(), minlength=2)[1:] > least).sum() for view in capture.semantic]
    pick = int(np.argmax(kinds))
    return capture.cameras.select(slice(pick, pick + 1))


def view_of(capture: Capture, places: np.ndarray) -> Cameras:
    """The captured view that shows most of places [M, 3] m, near its middle, and not behind what the depth (where
    known) saw."""
    cameras, shown = capture.cameras, []
    for view in range(len(cameras)):
        pixels, z = cameras.project(view, places)
        u, v = pixels.T
        seen = (z > 0.1) & (u >= 0) & (u < cameras.width) & (v >= 0) & (v < cameras.height)
        if capture.depth is not None:
            depth = capture.depth[view, v[seen].astype(int), u[seen].astype(int)]
            seen[seen] = (depth == 0) | (z[seen] < depth + 0.15)
        off = np.hypot(u / cameras.width - 0.5, v / cameras.height - 0.5)
        shown.append((seen * (1.0 - off.clip(0, 1))).sum())
    pick = int(np.argmax(shown))
    return cameras.select(slice(pick, pick + 1))


def camera_above(scene: GaussianScene, *, width: int, height: int) -> Cameras:
    """The camera of the picture from above, which sees the scene without its ceiling."""
    return top_camera(scene.select(torch.as_tensor(without_ceiling(scene))), width=width, height=height)


def views(
    scene: GaussianScene, rgb: np.ndarray, *, inside: Cameras | None = None, width: int = 480, height: int = 360
) -> tuple[np.ndarray, np.ndarray]:
    """(from above without the ceiling, from inside), each [H, W, 4] uint8. inside: one camera, chosen by itself when
    None; its picture keeps its shape, with nothing beside it."""
    low = torch.as_tensor(without_ceiling(scene))
    camera = camera_above(scene, width=width, height=height)
    above = render(scene.select(low), np.asarray(rgb)[low.numpy()], camera)[0]
    camera = inside_camera(scene, width=width, height=height) if inside is None else fitted(inside, width, height)
    picture = np.zeros((height, width, 4), np.uint8)
    left, top = (width - camera.width) // 2, (height - camera.height) // 2
    picture[top : top + camera.height, left : left + camera.width] = render(scene, rgb, camera)[0]
    return above, picture


def fitted(cameras: Cameras, width: int, height: int) -> Cameras:
    """The same views, as large as they fit into a frame of this size without being stretched."""
    scale = min(width / cameras.width, height / cameras.height)
    return cameras.resized(round(cameras.width * scale), round(cameras.height * scale))
