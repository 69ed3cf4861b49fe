"""Ask a scene for something in words: which Gaussians answer, and which objects they form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.view.clusters import components, spacing

# What else a room holds. A score says how much better the words fit than any of these do.
CONTRAST = (
    "wall",
    "floor",
    "ceiling",
    "door",
    "window",
    "bed",
    "sofa",
    "armchair",
    "chair",
    "stool",
    "table",
    "desk",
    "cabinet",
    "wardrobe",
    "bookshelf",
    "kitchen counter",
    "refrigerator",
    "stove",
    "sink",
    "toilet",
    "bathtub",
    "lamp",
    "plant",
    "tv",
    "curtain",
    "rug",
    "picture",
    "stairs",
)
SAME = 0.85  # contrast words this near to the query (cosine) are the query in other words
TEMPERATURE = 0.05  # of the softmax over cosines
CERTAIN = 0.5  # a Gaussian over it fits the query better than all else together
FAINT = 0.08  # twice what a word gets where nothing fits; below it nothing is called an object
LEAST = 8  # Gaussians of an object


class Found(NamedTuple):
    """An object that answers. position: [3] m; extent: [3] m, the sides of the box holding the middle 90 %; rows: its
    Gaussians."""

    score: float
    position: np.ndarray
    extent: np.ndarray
    rows: np.ndarray


def relevance(features: np.ndarray, query: np.ndarray, contrast: np.ndarray) -> np.ndarray:
    """[N] in 0..1: softmax weight of the query among the contrast words, by cosine.

    features: [N, C] language features; query: [C] and contrast: [B, C] text embeddings.
    """
    features, query, contrast = (_unit(np.asarray(x, np.float32)) for x in (features, query, contrast))
    if features.shape[1] != query.shape[0]:
        raise InputError(
            "query",
            expected=f"language features of width {query.shape[0]}",
            got=features.shape[1],
            fix="Use the model's own text tower.",
        )
    others = contrast[contrast @ query < SAME]
    gap = (features @ others.T - (features @ query)[:, None]) / TEMPERATURE
    return 1.0 / (1.0 + np.exp(np.clip(gap, -60, 60)).sum(axis=1))


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def objects(scene: GaussianScene, score: np.ndarray, *, top: int = 5) -> list[Found]:
    """The best connected groups of Gaussians that answer, by mean score.

    score: [N] of :func:`relevance`. A Gaussian answers over half the best score there is, but never below FAINT nor
    needing more than CERTAIN. Groups join over gaps of about twice the spacing of the Gaussians.
    """
    positions = scene.means.detach().cpu().numpy().astype(np.float64)
    bar = float(np.clip(0.5 * score.max(), FAINT, CERTAIN))
    solid = scene.opacities.detach().cpu().numpy() > 0.1
    answer = np.where((score >= bar) & solid, 0, -1)
    group = components(positions, answer, cell=2.0 * spacing(positions), least=LEAST)
    found = [_found(positions, score, np.flatnonzero(group == i)) for i in range(group.max() + 1)]
    return sorted(found, key=lambda item: -item.score)[:top]


def _found(positions: np.ndarray, score: np.ndarray, rows: np.ndarray) -> Found:
    low, high = np.percentile(positions[rows], [5, 95], axis=0)
    return Found(float(score[rows].mean()), np.average(positions[rows], axis=0, weights=score[rows]), high - low, rows)


def heat(scene: GaussianScene, score: np.ndarray) -> np.ndarray:
    """[N, 3] colours in 0..1: the scene in pale grey, what answers from violet over orange to yellow at the best score
    (but at least 0.25)."""
    score = score / max(float(score.max()), 0.25)
    gray = scene.rgb.detach().cpu().numpy() @ np.array([0.299, 0.587, 0.114])
    pale = np.repeat((0.25 + 0.5 * gray)[:, None], 3, axis=1)
    stops = [0.0, 0.3, 0.6, 1.0]
    ramp = np.stack(
        [
            np.interp(score, stops, c)
            for c in zip((0.35, 0.1, 0.6), (0.75, 0.15, 0.45), (0.98, 0.5, 0.1), (1.0, 0.9, 0.2), strict=True)
        ],
        axis=1,
    )
    mix = np.clip(score / 0.4, 0, 1)[:, None]
    return pale * (1 - mix) + ramp * mix
