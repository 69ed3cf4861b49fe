"""Ask a scene for something in words: which Gaussians answer, and which objects they form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.view.clusters import components, spacing
from chorus.view.render import SOLID

TEMPERATURE = 0.05  # of the softmax over cosines of features and things
MEANING = 0.02  # of that over cosines of a question and things
UNKNOWN = 0.53  # cosine with something unknown, which a question may mean too: nonsense is near to nothing
CERTAIN = 0.5  # a Gaussian over it fits the query better than all else together
FAINT = 0.08  # twice what a word gets where nothing fits; below it nothing is called an object
LEAST = 8  # Gaussians of an object


class Contrast(NamedTuple):
    """What a question is told apart from, in embeddings of unit length: of things that a feature may be, of what a
    question may mean besides, and of phrases that fit whatever there is (``vocabulary.py``)."""

    held: np.ndarray  # [H, C] names of things
    called: np.ndarray  # [H, C] the middle of all that each is called
    elsewhere: np.ndarray  # [E, C]
    anything: np.ndarray  # [A, C]; where there are some, held and elsewhere are not looked at


class Found(NamedTuple):
    """An object that answers. position: [3] m; extent: [3] m, the sides of the box holding the middle 90 %; rows: its
    Gaussians."""

    score: float
    position: np.ndarray
    extent: np.ndarray
    rows: np.ndarray


def meaning(question: np.ndarray, contrast: Contrast) -> np.ndarray:
    """[H] in 0..1: how much a question [C] may mean each of the held things.

    Softmax of cosines with what each is called, with what is elsewhere and with something UNKNOWN, over its largest: a
    question about what no room holds leaves all of them small.
    """
    near = np.concatenate([contrast.called @ question, contrast.elsewhere @ question, [UNKNOWN]]) / MEANING
    return np.exp(near - near.max())[: len(contrast.called)]


def relevance(features: np.ndarray, question: np.ndarray, *, contrast: Contrast) -> np.ndarray:
    """[N] in 0..1: what each feature is likely to be, weighed by what the question may mean.

    sum_c P(c | f) w_c over the held things, P the softmax of cosines with their names, to which language teachers keep
    closest, w of :func:`meaning`; without a list the least
    share of the question against any one of the phrases (Kerr et al. 2023, LERF, eq. 3). features: [N, C]; question:
    [C]; of unit length. Raises InputError where widths differ.
    """
    if features.shape[1] != question.shape[0]:
        raise InputError(
            "query",
            expected=f"language features of width {question.shape[0]}",
            got=features.shape[1],
            fix="Use the model's own text tower.",
        )
    if len(contrast.anything):
        rival = (features @ contrast.anything.T).max(axis=1)
        return 1.0 / (1.0 + np.exp((rival - features @ question) / TEMPERATURE))
    return shares(features, contrast.held) @ meaning(question, contrast)


def shares(features: np.ndarray, names: np.ndarray) -> np.ndarray:
    """[N, T] how likely each feature [N, C] is each of the names [T, C]: the softmax of their cosines."""
    share = features @ names.T  # in place from here: a large scene's is a hundred megabytes
    share /= TEMPERATURE
    share -= share.max(axis=1, keepdims=True)
    np.exp(share, out=share)
    share /= share.sum(axis=1, keepdims=True)
    return share


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of unit length."""
    return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)


def objects(
    scene: GaussianScene, score: np.ndarray, *, top: int = 5, faint: float = FAINT, gap: float | None = None
) -> list[Found]:
    """The best connected groups of Gaussians that answer, by mean score.

    score: [N] of :func:`relevance`. A Gaussian answers over half the best score there is, but never below ``faint`` nor
    needing more than CERTAIN. Groups join over gaps of about ``gap`` (m), twice the spacing of the Gaussians when None.
    """
    positions = scene.means.detach().cpu().numpy().astype(np.float64)
    bar = float(np.clip(0.5 * score.max(), faint, CERTAIN))
    solid = scene.opacities.detach().cpu().numpy() > SOLID
    answer = np.where((score >= bar) & solid, 0, -1)
    group = components(positions, answer, cell=gap or 2.0 * spacing(positions), least=LEAST)
    found = [_found(positions, score, np.flatnonzero(group == i)) for i in range(group.max() + 1)]
    return sorted(found, key=lambda item: -item.score)[:top]


def middle_box(positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner [3] of the box holding the middle 90 % of positions [N, 3] along each axis."""
    low, high = np.percentile(positions, [5, 95], axis=0)
    return low, high


def _found(positions: np.ndarray, score: np.ndarray, rows: np.ndarray) -> Found:
    low, high = middle_box(positions[rows])
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
