"""Captures drawn with rectangles: enough for the teachers' code, no renderer."""

import numpy as np
import pytest

from chorus.cameras import Cameras
from chorus.capture import Capture

NAMES = ("unlabelled", "wall", "chair", "table", "piano")
_COLORS = np.array([[0, 0, 0], [200, 200, 190], [180, 40, 40], [60, 120, 60], [20, 20, 30]])


def draw(seed: int, *, views: int = 4, height: int = 64, width: int = 96, names: tuple[str, ...] = NAMES) -> Capture:
    """A wall with three rectangles that move a little from view to view."""
    rng = np.random.default_rng(seed)
    semantic = np.ones((views, height, width), np.uint8)
    instance = np.zeros((views, height, width), np.uint16)
    for number in range(1, 4):
        kind = rng.integers(2, len(names))
        y, x = rng.integers(0, height - 32), rng.integers(0, width - 40)
        for view in range(views):
            box = (view, slice(y, y + 30), slice(x + 2 * view, x + 2 * view + 30))
            semantic[box], instance[box] = kind, number
    images = _COLORS[semantic] + rng.integers(-15, 15, (*semantic.shape, 3))
    K = np.tile(np.array([[80.0, 0, width / 2], [0, 80.0, height / 2], [0, 0, 1]]), (views, 1, 1))
    cameras = Cameras(K=K, cam_from_world=np.tile(np.eye(4), (views, 1, 1)), width=width, height=height)
    info = {"home": f"drawn{seed}", "split": "train"}
    return Capture(
        images=images.clip(0, 255).astype(np.uint8),
        cameras=cameras,
        semantic=semantic,
        instance=instance,
        class_names=names,
        info=info,
    )


@pytest.fixture(scope="session")
def drawn_room():
    """The function itself: drawn_room(seed, views=4, height=64, width=96, names=NAMES) -> Capture."""
    return draw
