"""Features of Gaussians many of which have the same: those of one voxel of the encoder's grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class SharedFeatures:
    """rows: [M, C] of unit length; index: [N] the row of each Gaussian, None where each has its own.

    A large scene has several times as many Gaussians as voxels, so that what depends on the features alone is worked
    out a row at a time and handed out by :meth:`each`.
    """

    rows: np.ndarray
    index: np.ndarray | None = None

    @classmethod
    def of(cls, encoder, scene, output: str = "lang") -> SharedFeatures:
        """The scene as a model sees it. encoder: as chorus.load gives it, or what only has ``encode``."""
        shared = getattr(encoder, "encode_shared", None)
        if shared is None:
            return cls.made(getattr(encoder.encode(scene, outputs=(output,)), output))
        return cls.made(*shared(scene, output), ours=True)

    @classmethod
    def made(cls, features: Tensor, index: Tensor | None = None, *, ours: bool = False) -> SharedFeatures:
        """From features [M, C] of any length and dtype; ours: nobody else reads them, so that they need no copy."""
        rows = features.to("cpu", torch.float32, copy=not ours).numpy()
        rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
        return cls(rows, None if index is None else index.cpu().numpy())

    def __len__(self) -> int:
        """N."""
        return len(self.rows) if self.index is None else len(self.index)

    def __getitem__(self, gaussians) -> np.ndarray:
        """[K, C] of these Gaussians: a slice, rows or a mask."""
        return self.rows[gaussians if self.index is None else self.index[gaussians]]

    def each(self, values: np.ndarray) -> np.ndarray:
        """[N, ...] from values [M, ...] of the rows."""
        return values if self.index is None else values[self.index]
