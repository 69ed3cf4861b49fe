"""What the teachers see, for a person to look at."""

from __future__ import annotations

import colorsys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw
from torch import Tensor

_HEADER = 18  # pixels


def principal_colors(maps: Tensor) -> Tensor:
    """[V, h, w, C] -> [V, h, w, 3] in 0..1: the first three principal components over all views, 2nd to 98th
    percentile."""
    flat = maps.reshape(-1, maps.shape[-1]).double()
    centered = flat - flat.mean(dim=0)
    axes = torch.linalg.eigh(centered.T @ centered).eigenvectors[:, -3:].flip(1)  # [C, 3]
    axes = axes * axes.gather(0, axes.abs().argmax(dim=0, keepdim=True)).sign()
    values = (centered @ axes).numpy()
    low, high = np.percentile(values, [2, 98], axis=0)
    colors = ((values - low) / np.maximum(high - low, 1e-9)).clip(0, 1)
    return torch.from_numpy(colors).float().reshape(*maps.shape[:-1], 3)


def class_colors(count: int) -> np.ndarray:
    """[count, 3] uint8: 0 black, then hues a golden angle apart in three depths."""
    colors = [
        colorsys.hsv_to_rgb(i * 0.381966 % 1, (0.85, 0.55, 0.7)[i % 3], (0.95, 0.9, 0.6)[i % 3])
        for i in range(1, count)
    ]
    return np.array([(0, 0, 0), *colors]).__mul__(255).astype(np.uint8)


def contact_sheet(
    columns: dict[str, np.ndarray | Tensor], path: Path, *, legend: dict[str, np.ndarray] | None = None
) -> None:
    """Write a PNG: a row a view, a column a title. columns: uint8 [V, H, W, 3] or float maps [V, h, w, 3], stretched to
    the first column's size.

    legend: name -> colour [3], printed below.
    """
    first = next(iter(columns.values()))
    rows, height, width = first.shape[:3]
    legend_rows = -(-len(legend) // (len(columns) * 2)) if legend else 0
    sheet = Image.new("RGB", (len(columns) * (width + 2), _HEADER * (1 + legend_rows) + rows * (height + 2)), "white")
    draw = ImageDraw.Draw(sheet)
    for column, (title, views) in enumerate(columns.items()):
        draw.text((column * (width + 2) + 4, 3), title, fill="black")
        for row, view in enumerate(_as_bytes(views, height, width)):
            sheet.paste(Image.fromarray(view), (column * (width + 2), _HEADER + row * (height + 2)))
    for number, (name, color) in enumerate((legend or {}).items()):
        x = number % (len(columns) * 2) * (width // 2 + 1)
        y = _HEADER + rows * (height + 2) + number // (len(columns) * 2) * _HEADER
        draw.rectangle((x + 2, y + 3, x + 14, y + 15), fill=tuple(int(c) for c in color))
        draw.text((x + 18, y + 3), name, fill="black")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def _as_bytes(views: np.ndarray | Tensor, height: int, width: int) -> np.ndarray:
    if isinstance(views, np.ndarray):
        return views
    large = F.interpolate(views.permute(0, 3, 1, 2), (height, width), mode="bilinear", align_corners=False)
    return (large.permute(0, 2, 3, 1).clamp(0, 1) * 255).round().byte().numpy()
