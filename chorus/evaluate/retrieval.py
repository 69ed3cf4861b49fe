"""Noise robustness: does an object, seen again with perturbed Gaussians, find itself among all objects?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from chorus.scene import GaussianScene


def perturbed(scene: GaussianScene, *, sigma: float, seed: int) -> GaussianScene:
    """The scene with its centres moved by isotropic noise of ``sigma`` metres."""
    noise = torch.randn(scene.means.shape, generator=torch.Generator().manual_seed(seed))
    return replace(scene, means=scene.means + sigma * noise.to(scene.means))


def pool(features: np.ndarray, instance: np.ndarray, *, least: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Mean feature [I, C] and id [I] of every instance of at least ``least`` rows. features: [N, C]; instance: [N], 0
    none."""
    ids, group, count = np.unique(instance, return_inverse=True, return_counts=True)
    sums = np.zeros((len(ids), features.shape[1]))
    np.add.at(sums, group, np.asarray(features, np.float64))
    keep = (ids > 0) & (count >= least)
    return sums[keep] / count[keep, None], ids[keep]


def recall_at_1(clean: np.ndarray, noisy: np.ndarray) -> float:
    """Percent of rows of ``noisy`` [I, C] that are found again; NaN for fewer than 2."""
    return 100.0 * float(found_again(clean, noisy).mean()) if len(clean) > 1 else float("nan")


def found_again(clean: np.ndarray, noisy: np.ndarray) -> np.ndarray:
    """[I] bool: whether the row of ``clean`` [I, C] nearest to each row of ``noisy`` [I, C] (cosine, centred) is its
    own."""
    center = clean.mean(axis=0)
    a, b = noisy - center, clean - center
    a = a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12)
    b = b / np.maximum(np.linalg.norm(b, axis=1, keepdims=True), 1e-12)
    return (a @ b.T).argmax(axis=1) == np.arange(len(a))
