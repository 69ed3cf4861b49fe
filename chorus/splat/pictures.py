"""Contact sheets: what was captured, what the Gaussians render, and the difference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from chorus.splat.likeness import Measured
from chorus.store import atomic_file

_GAP, _CAPTION = 4, 14  # pixels
_ERROR_GAIN = 4.0  # an error of a quarter of the range is white


def contact_sheet(measured: Measured, *, rows: int = 4, width: int = 256) -> np.ndarray:
    """[H, W, 3] uint8: up to ``rows`` views, evenly chosen, as truth | render | error."""
    chosen = np.unique(np.linspace(0, len(measured.views) - 1, min(rows, len(measured.views))).round().astype(int))
    lines = []
    for index in chosen:
        truth, shown = measured.truth[index], measured.shown[index]
        tiles = [_scaled(tile, width) for tile in (truth, shown, error_image(truth, shown))]
        caption = (
            f"view {measured.views[index]}: truth | render, {measured.psnr_blind[index]:.1f} dB, SSIM "
            f"{measured.ssim[index]:.2f} | error x{_ERROR_GAIN:g}"
        )
        lines.append(_captioned(np.concatenate([_padded(tile) for tile in tiles], axis=1), caption))
    return np.concatenate(lines, axis=0)


def error_image(truth: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """[H, W, 3] uint8 heat (black, red, yellow, white) of the mean absolute difference of two uint8 images."""
    error = np.abs(truth.astype(np.float32) - shown.astype(np.float32)).mean(axis=-1) * (_ERROR_GAIN / 255.0)
    return (np.stack([error * 3, error * 3 - 1, error * 3 - 2], axis=-1).clip(0, 1) * 255).astype(np.uint8)


def save_png(path: Path, image: np.ndarray) -> None:
    """Write [H, W, 3] uint8."""
    with atomic_file(Path(path)) as temporary:
        Image.fromarray(image).save(temporary, compress_level=6)


def _scaled(image: np.ndarray, width: int) -> np.ndarray:
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def _padded(tile: np.ndarray) -> np.ndarray:
    return np.pad(tile, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=255)


def _captioned(line: np.ndarray, caption: str) -> np.ndarray:
    bar = Image.new("RGB", (line.shape[1], _CAPTION), "white")
    ImageDraw.Draw(bar).text((2, 1), caption, fill="black")
    return np.concatenate([np.array(bar), line], axis=0)
