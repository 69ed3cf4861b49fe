"""Two small rooms: a textured one, ray-cast in closed form, for fitting and ingestion; a box of Gaussians for the
encoder."""

import numpy as np
import pytest
import torch

from chorus.cameras import Cameras, look_at
from chorus.capture import Capture
from chorus.scene import GaussianScene

SIZE = np.array([4.0, 3.0, 2.4])  # metres; the floor at z = 0, x and y centred
NAMES = ("unlabelled", "wall", "floor", "ceiling")


def box_room(views: int = 24, width: int = 64, height: int = 48, texture: float = 3.0) -> Capture:
    """A capture from inside an empty room with patterned surfaces."""
    angles = np.linspace(0, 2 * np.pi, views, endpoint=False)
    eyes = np.stack([0.7 * np.cos(angles), 0.5 * np.sin(angles), np.full(views, 1.3)], axis=1)
    targets = np.stack(
        [3 * np.cos(angles + 0.6), 3 * np.sin(angles + 0.6), 0.7 + 0.6 * (np.arange(views) % 3) / 2], axis=1
    )
    K = np.array([[0.4 * width, 0, width / 2], [0, 0.4 * width, height / 2], [0, 0, 1]])
    poses = np.stack([look_at(eye, target) for eye, target in zip(eyes, targets, strict=True)])
    cameras = Cameras(K=np.repeat(K[None], views, axis=0), cam_from_world=poses, width=width, height=height)
    layers = [_cast(cameras, view, texture) for view in range(views)]
    images, depth, face = (np.stack(layer) for layer in zip(*layers, strict=True))
    semantic = np.array([1, 1, 1, 1, 2, 3], np.uint8)[face]
    return Capture(
        images=images,
        cameras=cameras,
        depth=depth,
        semantic=semantic,
        instance=(face + 1).astype(np.uint16),
        class_names=NAMES,
    )


def _cast(cameras: Cameras, view: int, texture: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(image [H, W, 3] uint8, depth [H, W] m, face [H, W] in 0..5) of rays that leave the box."""
    columns, rows = np.meshgrid(np.arange(cameras.width) + 0.5, np.arange(cameras.height) + 0.5)
    rays = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(cameras.K[view]).T
    pose = cameras.world_from_cam[view]
    rays, eye = rays @ pose[:3, :3].T, pose[:3, 3]
    low, high = np.array([-SIZE[0] / 2, -SIZE[1] / 2, 0.0]), np.array([SIZE[0] / 2, SIZE[1] / 2, SIZE[2]])
    with np.errstate(divide="ignore"):
        exits = np.where(
            rays > 0, (high - eye) / rays, (low - eye) / rays
        )  # [H, W, 3] in units of depth along the axis
    axis = exits.argmin(axis=-1)
    depth = exits.min(axis=-1)
    face = 2 * axis + (np.take_along_axis(rays, axis[..., None], axis=-1)[..., 0] > 0)
    points = eye + rays * depth[..., None]
    waves = np.sin(points * texture * np.array([2.0, 2.6, 2.2]) + face[..., None]) * np.sin(
        points[..., [1, 2, 0]] * texture * 1.7
    )
    base = np.random.default_rng(1).uniform(0.3, 0.7, (6, 3))[face]
    if texture > 5:  # blocks of random brightness, which feature detectors like
        cells = np.floor(points / 0.13 + 1e-3).astype(int) + 100 * face[..., None]
        waves = (
            0.4 * waves
            + np.random.default_rng(2).uniform(-1, 1, (97, 89, 83, 1))[
                cells[..., 0] % 97, cells[..., 1] % 89, cells[..., 2] % 83
            ]
        )
    return ((base + 0.25 * waves).clip(0, 1) * 255).astype(np.uint8), depth.astype(np.float32), face


@pytest.fixture(scope="session")
def room() -> Capture:
    return box_room()


@pytest.fixture(scope="session")
def sharp_room() -> Capture:
    """More pixels and detail: enough for feature matches."""
    return box_room(views=16, width=160, height=120, texture=9.0)


@pytest.fixture(scope="session")
def make_room():
    """A box room of Gaussians, with the colours of its faces."""

    def make(count: int = 3000, *, size=(3.0, 4.0, 2.5), seed: int = 0) -> GaussianScene:
        draw = torch.Generator().manual_seed(seed)
        size = torch.tensor(size)
        means = torch.rand(count, 3, generator=draw) * size
        axis = torch.randint(3, (count,), generator=draw)
        side = torch.randint(2, (count,), generator=draw).float()
        means[torch.arange(count), axis] = side * size[axis]
        return GaussianScene(
            means=means - torch.tensor([size[0] / 2, size[1] / 2, 0.0]),
            quats=torch.randn(count, 4, generator=draw),
            log_scales=torch.randn(count, 3, generator=draw) * 0.3 - 3.5,
            opacity_logits=torch.randn(count, generator=draw),
            sh=torch.randn(count, 1, 3, generator=draw) * 0.3 + axis[:, None, None] - 1.0,
        )

    return make
