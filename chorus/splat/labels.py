"""A class and an instance for every Gaussian, by vote of the labelled pixels it renders. For evaluation only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.splat.weights import scene_weights
from chorus_kernels import lift

_STRIDE = 2  # every second pixel votes, in both directions
_MIN_WEIGHT = 0.05  # pixels; Gaussians rendered less than this stay unlabelled


@dataclass(frozen=True, kw_only=True)
class GaussianLabels:
    """Labels of N Gaussians, in the order of their scene."""

    semantic: np.ndarray  # [N] uint8, index into class_names, 0 where unlabelled
    instance: np.ndarray  # [N] uint16, the capture's instance ids, 0 where none
    confidence: np.ndarray  # [N] float16, share of the weight that voted for the class
    class_names: tuple[str, ...]


def label_gaussians(scene: GaussianScene, capture: Capture) -> GaussianLabels | None:
    """Labels by the largest sum of rendering weights (METHOD: lifting, with one-hot features); None for an unlabelled
    capture."""
    if capture.semantic is None:
        return None
    scene = scene.to("cpu")  # a column a pixel is the native build's work; evaluation alone reads it
    instance = capture.instance if capture.instance is not None else np.zeros_like(capture.semantic, dtype=np.uint16)
    ids = np.unique(instance)
    votes, instance_votes, total = (
        torch.zeros(len(scene), len(capture.class_names)),
        torch.zeros(len(scene), len(ids)),
        torch.zeros(len(scene)),
    )
    for view in range(len(capture)):
        maps = [layer[view, ::_STRIDE, ::_STRIDE].astype(np.int64) for layer in (capture.semantic, instance)]
        weights = scene_weights(
            scene, capture.cameras.select([view]), rows=maps[0].shape[0], columns=maps[0].shape[1], footprint="box"
        )
        votes += lift(weights, _one_hot(maps[0], votes.shape[1]))
        instance_votes += lift(weights, _one_hot(np.searchsorted(ids, maps[1]), len(ids)))
        total += weights.total
    seen = (total > _MIN_WEIGHT).numpy()
    best = votes.max(dim=1)
    return GaussianLabels(
        semantic=np.where(seen, best.indices.numpy(), 0).astype(np.uint8),
        instance=np.where(seen, ids[instance_votes.argmax(dim=1).numpy()], 0).astype(np.uint16),
        confidence=(best.values / total.clamp_min(1e-9)).half().numpy(),
        class_names=capture.class_names,
    )


def save_labels(path: Path, labels: GaussianLabels) -> None:
    """Write labels as .npz; equal labels give equal bytes."""
    np.savez_compressed(
        path,
        semantic=labels.semantic,
        instance=labels.instance,
        confidence=labels.confidence,
        class_names=np.array(labels.class_names),
    )


def load_labels(path: Path) -> GaussianLabels:
    """Read what :func:`save_labels` wrote. Raises InputError when the file is absent or damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = tuple(str(name) for name in arrays["class_names"])
            return GaussianLabels(
                semantic=arrays["semantic"],
                instance=arrays["instance"],
                confidence=arrays["confidence"],
                class_names=names,
            )
    except (OSError, KeyError, ValueError, EOFError) as error:
        raise InputError(
            path, expected="labels of a fitted scene (.npz)", got=error, fix="Fit the scene again."
        ) from error


def _one_hot(labels: np.ndarray, count: int) -> torch.Tensor:
    """[H * W, count] float32."""
    return torch.nn.functional.one_hot(torch.from_numpy(labels.reshape(-1)), count).float()
