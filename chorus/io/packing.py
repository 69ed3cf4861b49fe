"""What packed splat formats have in common: rotations by three components, opacities in bytes, z-order."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from chorus_kernels import curve_codes

_BITS = 16  # of the z-order, a side


def rounded(fractions: np.ndarray, most: int) -> np.ndarray:
    """Whole numbers 0..most of fractions 0..1."""
    return np.clip(np.rint(fractions * most), 0, most).astype(np.uint32)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-logits))


def logits(opacities: np.ndarray) -> np.ndarray:
    """Logits of opacities in 0..1; infinite at both ends."""
    with np.errstate(divide="ignore"):
        return np.log(opacities) - np.log1p(-opacities)


def smallest_three(quats: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quaternions [N, 4] as the three components beside the largest one [N, 3], which is positive, and its number
    [N]."""
    quats = quats / np.linalg.norm(quats, axis=1, keepdims=True)
    largest = np.abs(quats).argmax(axis=1)
    quats = quats * np.where(np.take_along_axis(quats, largest[:, None], axis=1) < 0, -1.0, 1.0)
    others = np.arange(4)[None] != largest[:, None]
    return quats[others].reshape(-1, 3), largest


def largest_of_four(three: np.ndarray, largest: np.ndarray) -> np.ndarray:
    """[N, 4] unit quaternions of :func:`smallest_three`."""
    largest = largest.astype(np.int64)
    quats = np.empty((len(three), 4))
    quats[np.arange(4)[None] != largest[:, None]] = three.reshape(-1)
    rest = np.sqrt(np.clip(1.0 - (three**2).sum(axis=1), 0.0, None))
    np.put_along_axis(quats, largest[:, None], rest[:, None], axis=1)
    return quats


def morton_order(means: Tensor) -> Tensor:
    """[N] the order of positions [N, 3] along a z-curve through their box."""
    low, high = means.amin(dim=0), means.amax(dim=0)
    cells = ((means - low) / (high - low).clamp_min(1e-12) * (2**_BITS - 1)).int()
    return curve_codes(cells, torch.zeros(len(cells), dtype=torch.int32), "z", _BITS).argsort(stable=True)


def inflate(stream, most: int) -> bytes:
    """The next ``most`` bytes of a zlib.decompressobj, fewer where it ends; never more, whatever the stream holds."""
    parts, left = [], most
    while left and not stream.eof and (part := stream.decompress(stream.unconsumed_tail, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
