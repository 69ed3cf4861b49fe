"""Scenes cut and labelled: what a box or an object holds, and what a model thinks every Gaussian is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from chorus.errors import InputError
from chorus.moving import file_means
from chorus.scene import GaussianScene, SplatLabels
from chorus.view import query
from chorus.view.ask import Search
from chorus.view.clusters import components, spacing
from chorus.view.vocabulary import HELD


def crop_box(scene: GaussianScene, box: Sequence[float]) -> GaussianScene:
    """The Gaussians whose centres lie in a box x0 y0 z0 x1 y1 z1, in the coordinates of the scene's file.

    Raises InputError for a box that is none or holds nothing.
    """
    corners = np.asarray(box, np.float64)
    if corners.shape != (6,) or not np.isfinite(corners).all():
        raise InputError("--box", expected="six numbers x0 y0 z0 x1 y1 z1", got=list(box))
    low, high = np.minimum(corners[:3], corners[3:]), np.maximum(corners[:3], corners[3:])
    means = file_means(scene)
    inside = ((means >= low) & (means <= high)).all(axis=1)
    if not inside.any():
        reach = f"{np.round(means.min(axis=0), 3).tolist()} to {np.round(means.max(axis=0), 3).tolist()}"
        raise InputError("--box", expected=f"a box of the scene, which goes from {reach}", got="no Gaussian inside")
    return scene.select(torch.from_numpy(inside))


def crop_object(scene: GaussianScene, encoder, words: str) -> GaussianScene:
    """The Gaussians of the object that answers best to some words. Raises InputError where nothing answers."""
    answer = Search.of(scene, encoder).ask(words, top=1)
    if not answer.objects:
        got = f"nothing answers (best score {answer.score.max():.2f})"
        raise InputError("--object", expected=f"an object that is {words}", got=got, fix="Ask for something else.")
    return scene.select(torch.from_numpy(np.sort(answer.objects[0].rows)))


def label(scene: GaussianScene, encoder, names: Sequence[str] = HELD) -> GaussianScene:
    """The scene with :func:`labels_of` it, as a model sees it. Raises InputError for fewer than two names."""
    names = tuple(dict.fromkeys(names))
    if len(names) < 2:
        raise InputError("--names", expected="at least two names to choose from", got=", ".join(names) or "none")
    cosine = encoder.encode(scene, outputs=("lang",)).query(names)
    score, best = (cosine / query.TEMPERATURE).softmax(dim=1).max(dim=1)
    return replace(scene, labels=labels_of(scene, best.cpu().numpy(), score.float().cpu().numpy(), names))


def labels_of(
    scene: GaussianScene, best: np.ndarray, score: np.ndarray, names: Sequence[str], *, gap: float | None = None
) -> SplatLabels:
    """Labels of a scene whose every Gaussian is likeliest one of the names, best [N], with a score [N] (the softmax
    weight of that name among all of them): they and the connected group of its label as instance (-1 for crumbs). gap:
    over which groups join, m, twice the spacing of the Gaussians when None."""
    positions = scene.means.detach().cpu().numpy().astype(np.float64)
    groups = components(positions, best, cell=gap or 2.0 * spacing(positions), least=query.LEAST)
    return SplatLabels(
        label=torch.from_numpy(best.astype(np.int32)),
        instance=torch.from_numpy(groups.astype(np.int32)),
        score=torch.from_numpy(score.astype(np.float32)),
        names=tuple(names),
    )
