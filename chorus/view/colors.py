"""Colours that say something about each Gaussian: names, features."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np

FIXED = {
    "wall": (0.78, 0.76, 0.72),
    "floor": (0.55, 0.47, 0.38),
    "ceiling": (0.90, 0.90, 0.92),
    "window": (0.62, 0.82, 0.92),
    "door": (0.45, 0.30, 0.20),
}
UNKNOWN = (0.25, 0.25, 0.25)
GOLDEN = 0.618033988749895  # hues a golden angle apart; near ones lie 8, 13 or 21 names apart and so differ in depth
BLOCK = 16_384  # rows of features that stand in memory once more, in double precision
DEPTHS = ((0.95, 0.95), (0.45, 1.0), (0.9, 0.5), (0.55, 0.75), (1.0, 0.75))  # saturation, value


def palette(names: Sequence[str]) -> np.ndarray:
    """[T + 1, 3] colours of names in 0..1: calm ones for the room's shell, spread hues for the rest; the last row is
    "unknown"."""
    rows, free = [], 0
    for name in names:
        if name in FIXED:
            rows.append(FIXED[name])
        else:
            rows.append(colorsys.hsv_to_rgb((0.02 + free * GOLDEN) % 1.0, *DEPTHS[free % len(DEPTHS)]))
            free += 1
    return np.array([*rows, UNKNOWN])


def label_colors(labels: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """[N, 3] from class ids [N], -1 unknown."""
    return palette(names)[labels]


def pca_colors(features: np.ndarray, valid: np.ndarray | None = None, *, like: np.ndarray | None = None) -> np.ndarray:
    """[N, 3] the three main directions of features [N, C] as red, green and blue, each stretched to its middle 98 %.

    like: [M, C] whose directions and range are taken in place of the features' own, so that both can be compared.
    """
    valid = np.ones(len(features), bool) if valid is None else valid
    if not valid.any():
        return np.tile(UNKNOWN, (len(features), 1))
    own = np.array(features[valid] if like is None or not len(like) else like, np.float64)
    mean = own.mean(axis=0)
    own -= mean
    _, directions = np.linalg.eigh(own.T @ own)
    directions = directions[:, ::-1][:, :3]
    directions = directions * np.sign(
        directions[np.abs(directions).argmax(axis=0), range(directions.shape[1])]
    )  # a sign of its own would be chance
    low, high = np.percentile(own @ directions, [1, 99], axis=0)
    along = [
        (np.asarray(features[at : at + BLOCK], np.float64) - mean) @ directions for at in range(0, len(features), BLOCK)
    ]
    colors = ((np.concatenate(along) - low) / np.maximum(high - low, 1e-12)).clip(0, 1)
    colors = np.pad(colors, ((0, 0), (0, 3 - colors.shape[1])))
    return np.where(valid[:, None], colors, UNKNOWN)


def group_colors(groups: np.ndarray) -> np.ndarray:
    """[N, 3] a colour of its own for each group [N] int, -1 none."""
    count = int(groups.max(initial=-1)) + 1
    return palette([f"group {i}" for i in range(count)])[groups]
