"""Textures that the designed homes do not show: bricks, marble, herringbone, wallpaper, rugs and pictures."""

from __future__ import annotations

import numpy as np

from chorus.sources.sweethome3d.textures import SIZE, cloud, paint, shade


def bricks(rng: np.random.Generator, color) -> tuple[np.ndarray, float]:
    """A wall of bricks in running bond; (texture, metres a repeat)."""
    rows, columns = 14, 4
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    row = y * rows // SIZE
    along = (x + row % 2 * SIZE // (2 * columns)) % SIZE
    tone = rng.normal(0, 0.1, (rows, columns))[row, along * columns // SIZE]
    texture = shade(color, tone + 0.05 * cloud(rng, sigma=2))
    joint = (y * rows % SIZE < rows * 2) | (along * columns % SIZE < columns * 2)
    texture[joint] = shade(np.full(3, rng.uniform(0.5, 0.85)), np.zeros(1))[0]
    return texture, float(rng.uniform(0.9, 1.2))


def marble(rng: np.random.Generator, color) -> tuple[np.ndarray, float]:
    """Stone with veins; (texture, metres a repeat)."""
    veins = np.exp(-np.abs(cloud(rng, sigma=22) + 0.25 * cloud(rng, sigma=5)) / rng.uniform(0.04, 0.12))
    return shade(color, rng.uniform(-0.35, 0.2) * veins + 0.03 * cloud(rng, sigma=18)), float(rng.uniform(1.0, 2.2))


def concrete(rng: np.random.Generator, color) -> tuple[np.ndarray, float]:
    """Cast, cloudy; (texture, metres a repeat)."""
    grain = 0.025 * cloud(rng, sigma=1) + 0.05 * cloud(rng, sigma=14) + 0.04 * cloud(rng, sigma=40)
    return shade(color, grain), float(rng.uniform(1.5, 3.0))


def herringbone(rng: np.random.Generator, color) -> tuple[np.ndarray, float]:
    """Blocks of wood, every other one turned; (texture, metres a repeat)."""
    count, strips = 4, 4
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    cell_y, cell_x = y * count // SIZE, x * count // SIZE
    turned = (cell_x + cell_y) % 2 == 0
    across = np.where(turned, y, x) * count * strips // SIZE
    tone = rng.normal(0, 0.09, (count, count, strips))[cell_y, cell_x, across % strips]
    grain = np.where(turned, cloud(rng, sigma=(0.8, 10)), cloud(rng, sigma=(10, 0.8)))
    seam = np.where(turned, y, x) * count * strips % SIZE < count * strips
    return shade(color, tone + 0.04 * grain - 0.22 * seam), float(rng.uniform(1.4, 2.4))


def wallpaper(rng: np.random.Generator, color) -> tuple[np.ndarray, float]:
    """A motif set in diamonds: dots, rings or leaves; (texture, metres a repeat)."""
    count = int(rng.integers(3, 9))
    y, x = np.mgrid[0:SIZE, 0:SIZE] * count / SIZE
    x = x + 0.5 * (np.floor(y) % 2)
    u, v = x % 1.0 - 0.5, y % 1.0 - 0.5
    reach = rng.uniform(0.16, 0.34)
    distance = np.hypot(u, v * rng.uniform(0.5, 1.0))
    motif = (distance < reach, np.abs(distance - reach) < 0.05, np.abs(u) + np.abs(v) < reach)[int(rng.integers(3))]
    amount = rng.uniform(0.06, 0.3) * (1 if rng.random() < 0.5 else -1)
    return shade(color, amount * motif + 0.012 * cloud(rng, sigma=8)), float(rng.uniform(0.6, 1.4))


def rug(rng: np.random.Generator) -> np.ndarray:
    """[SIZE, SIZE, 3] a rug as a whole: a border round a plain, striped, checked or ornamented field."""
    ground = paint(rng, value=(0.25, 0.9), saturation=(0.05, 0.7))
    other = paint(rng, value=(0.2, 0.95), saturation=(0.05, 0.7))
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    count = int(rng.integers(3, 10))
    field = (
        np.zeros_like(x, bool),
        np.floor(y * count) % 2 == 0,
        (np.floor(x * count) + np.floor(y * count)) % 2 == 0,
        np.sin(count * 2 * np.pi * x) * np.sin(count * 2 * np.pi * y) > 0.3,
        np.abs((np.abs(x - 0.5) + np.abs(y - 0.5)) * count % 1.0 - 0.5) < 0.2,
    )[int(rng.integers(5))]
    border = (edge < 0.09) & (edge > 0.04) if rng.random() < 0.6 else np.zeros_like(field)
    picture = np.where((field ^ border)[..., None], other, ground)
    return shade(picture, 0.04 * cloud(rng, sigma=1.5) + 0.03 * cloud(rng, sigma=10))


def picture(rng: np.random.Generator) -> np.ndarray:
    """[SIZE, SIZE, 3] something to hang on a wall: hills, blocks, blots or a portrait's shapes."""
    y, x = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    image = np.broadcast_to(paint(rng, value=(0.5, 0.98), saturation=(0.0, 0.4)), (SIZE, SIZE, 3)).copy()
    what = int(rng.integers(4))
    for k in range(int(rng.integers(3, 9))):
        color = paint(rng, value=(0.1, 0.95), saturation=(0.1, 0.9))
        if what == 0:
            line = 0.25 + 0.09 * k + 0.05 * cloud(rng, sigma=(1, 24))[:1]
            mask = y > line
        elif what == 1:
            low, size = rng.uniform(0, 0.8, 2), rng.uniform(0.1, 0.5, 2)
            mask = (x > low[0]) & (x < low[0] + size[0]) & (y > low[1]) & (y < low[1] + size[1])
        elif what == 2:
            mask = cloud(rng, sigma=rng.uniform(8, 30)) > rng.uniform(0.6, 1.4)
        else:
            center, radius = rng.uniform(0.2, 0.8, 2), rng.uniform(0.05, 0.3, 2)
            mask = ((x - center[0]) / radius[0]) ** 2 + ((y - center[1]) / radius[1]) ** 2 < 1
        image[mask] = color
    edge = np.minimum(np.minimum(x, 1 - x), np.minimum(y, 1 - y))
    if rng.random() < 0.5:
        image[edge < 0.1] = 0.95
    return shade(image, 0.03 * cloud(rng, sigma=2))
