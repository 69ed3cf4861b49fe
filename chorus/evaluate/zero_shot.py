"""Zero-shot semantic segmentation: features against words, splats voting for ground-truth points."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from chorus.errors import InputError


def similarity(features: np.ndarray, text: np.ndarray) -> np.ndarray:
    """[N, T] cosine of features [N, C] and text embeddings [T, C]."""
    if features.ndim != 2 or features.shape[1] != text.shape[1]:
        raise InputError(
            "zero-shot", expected=f"features [N, {text.shape[1]}] of the text's width", got=list(features.shape)
        )
    return _unit(features) @ _unit(text).T


def _unit(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x, np.float32)
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)


def classify(features: np.ndarray, text: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """[N] the nearest name of each feature, -1 where it is not valid. valid: [N] bool."""
    return np.where(valid, similarity(features, text).argmax(axis=1), -1)


def nearest(positions: np.ndarray, points: np.ndarray, valid: np.ndarray, *, neighbors: int) -> np.ndarray:
    """[P, k] rows of the nearest valid splats of each point, nearest first; k = min(neighbours, valid splats)."""
    rows = np.flatnonzero(valid)
    if len(rows) == 0:
        return np.zeros((len(points), 0), np.int64)
    count = min(neighbors, len(rows))
    _, index = cKDTree(positions[rows]).query(points, k=count)
    return rows[index.reshape(len(points), count)].astype(np.int32)


def vote(labels: np.ndarray, rows: np.ndarray, classes: int) -> np.ndarray:
    """[P] the class most of a point's neighbours carry; among equals the one whose voters are nearer; -1 without
    neighbours.

    labels: [N] class ids of splats (every row named is valid); rows: [P, k] from :func:`nearest`.
    """
    points, count = rows.shape
    if count == 0:
        return np.full(points, -1)
    weight = 1.0 + np.linspace(1e-3, 0.0, count) / count  # sums of the surplus stay far below one vote
    ballots = np.arange(points)[:, None] * classes + labels[rows]
    tally = np.bincount(ballots.ravel(), np.broadcast_to(weight, rows.shape).ravel(), minlength=points * classes)
    return tally.reshape(points, classes).argmax(axis=1)


def instance_vote(predicted: np.ndarray, instance: np.ndarray, classes: int) -> np.ndarray:
    """[P] every point of a ground-truth instance gets the instance's commonest prediction.

    Reads the truth, so it is no honest figure: a reference for papers whose testers do this. Instance 0 stays as it is.
    """
    _, group = np.unique(instance, return_inverse=True)
    known = predicted >= 0
    tally = np.zeros((group.max() + 1, classes), np.int64)
    np.add.at(tally, (group[known], predicted[known]), 1)
    winner = np.where(tally.any(axis=1), tally.argmax(axis=1), -1)[group]
    return np.where(instance > 0, winner, predicted)
