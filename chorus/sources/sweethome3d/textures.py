"""Surface textures drawn from a seed: planks, tiles, plaster, carpet, and the view outside a window."""

from __future__ import annotations

import colorsys

import numpy as np

SIZE = 256  # pixels a side; every texture repeats


def cloud(rng: np.random.Generator, *, sigma, size: int = SIZE) -> np.ndarray:
    """[size, size] repeating smooth noise, zero mean, unit deviation."""
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None]
    sy, sx = np.broadcast_to(sigma, 2)
    keep = np.exp(-2 * np.pi**2 * ((sy * fy) ** 2 + (sx * fx) ** 2))
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((size, size))) * keep, s=(size, size))
    return (noise - noise.mean()) / max(float(noise.std()), 1e-9)


def shade(color, amount: np.ndarray) -> np.ndarray:
    """[h, w, 3] uint8: a colour (0..1) made lighter and darker by ``amount`` (relative)."""
    return np.clip(np.rint(np.asarray(color) * (1.0 + amount[..., None]) * 255), 0, 255).astype(np.uint8)


def planks(rng: np.random.Generator, color) -> tuple[np.ndarray, float]:
    """Wooden boards; (texture, metres a repeat)."""
    rows = int(rng.integers(6, 11))
    row = np.arange(SIZE) * rows // SIZE
    shift = rng.integers(0, SIZE, rows)
    boards = (np.arange(SIZE)[None] + shift[row][:, None]) * 2 // SIZE % 2
    tone = rng.normal(0, 0.1, (rows, 2))[row[:, None], boards]
    grain = 0.05 * cloud(rng, sigma=(0.8, 14)) + 0.04 * cloud(rng, sigma=(3, 40))
    seam = np.where(np.arange(SIZE) * rows % SIZE < rows, -0.3, 0.0)[:, None]
    ends = np.where(np.diff(boards, axis=1, prepend=boards[:, -1:]) != 0, -0.25, 0.0)
    return shade(color, tone + grain + np.minimum(seam, ends)), float(rng.uniform(1.2, 2.0))


def tiles(
    rng: np.random.Generator, color, *, count: int | None = None, side: tuple[float, float] = (0.22, 0.42)
) -> tuple[np.ndarray, float]:
    """Square tiles with grout, ``side`` metres wide; (texture, metres a repeat). A given count draws no chequers."""
    chequers = count is None and rng.random() < 0.25
    count = count or int(rng.integers(3, 6))
    cell = np.arange(SIZE) * count // SIZE
    tone = rng.normal(0, 0.05, (count, count))
    if chequers:
        tone = tone + 0.35 * ((np.arange(count)[:, None] + np.arange(count)) % 2 - 0.5) * (count % 2 == 0)
    phase = np.arange(SIZE) * count % SIZE
    grout = (phase < 3 * count)[:, None] | (phase < 3 * count)[None]
    amount = tone[cell[:, None], cell[None]] + 0.012 * cloud(rng, sigma=10)
    texture = shade(color, amount)
    texture[grout] = shade(np.full(3, np.mean(color) * 0.45 + 0.3), np.zeros(1))[0]
    return texture, float(count * rng.uniform(*side))


def carpet(rng: np.random.Generator, color) -> tuple[np.ndarray, float]:
    """Soft pile; (texture, metres a repeat)."""
    return shade(color, 0.04 * cloud(rng, sigma=2) + 0.03 * cloud(rng, sigma=12)), 1.5


def plaster(rng: np.random.Generator, color) -> tuple[np.ndarray, float]:
    """Painted wall; (texture, metres a repeat)."""
    return shade(color, 0.006 * cloud(rng, sigma=3) + 0.010 * cloud(rng, sigma=30)), 2.5


def stripes(rng: np.random.Generator, color) -> tuple[np.ndarray, float]:
    """Striped wallpaper; (texture, metres a repeat)."""
    count = int(rng.integers(3, 7))
    wave = np.tanh(4 * np.sin(2 * np.pi * count * np.arange(SIZE) / SIZE)) * rng.uniform(0.04, 0.1)
    return shade(color, wave[None] + 0.012 * cloud(rng, sigma=6)), 1.2


def outside(rng: np.random.Generator) -> np.ndarray:
    """What a window shows: [SIZE, SIZE, 3] lawn, hazy trees and sky; v = 0 at the floor, v = 1 at 2.8 m."""
    height = 1.0 - np.arange(SIZE)[:, None] / SIZE
    line = 0.36 + 0.035 * cloud(rng, sigma=9)[:1] + 0.02 * cloud(rng, sigma=3)[:1]
    sky = np.array([0.93, 0.96, 1.0]) - (height - 0.35)[..., None] * np.array([0.25, 0.13, 0.02])
    tree = np.array([0.50, 0.62, 0.46]) * (1 + 0.10 * cloud(rng, sigma=5)[..., None])
    lawn = np.array([0.62, 0.72, 0.50]) * (1 + 0.04 * cloud(rng, sigma=(3, 12))[..., None])
    blend = 1 / (1 + np.exp(-(height - line) / 0.012))[..., None]
    ground = 1 / (1 + np.exp(-(height - 0.24) / 0.015))[..., None]
    picture = blend * sky + (1 - blend) * (ground * tree + (1 - ground) * lawn)
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)


def paint(
    rng: np.random.Generator, *, value: tuple[float, float], saturation: tuple[float, float], hues=None
) -> np.ndarray:
    """[3] an sRGB colour; hues: allowed (low, high) ranges in 0..1, any when None."""
    low, high = (0.0, 1.0) if hues is None else hues[int(rng.integers(len(hues)))]
    return np.array(colorsys.hsv_to_rgb(rng.uniform(low, high), rng.uniform(*saturation), rng.uniform(*value)))
