"""Confusion matrices and the figures read off them: IoU, accuracy and their means."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from chorus.errors import InputError

BACKGROUND = ("wall", "floor", "ceiling")  # left out of every f- figure: large, easy and in every room


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """[C, C + 1] counts: rows truth, columns prediction, the last column "no prediction".

    truth, predicted: [P] class ids; truth outside 0..C-1 is left out, a prediction outside counts as none (and so as
    wrong).
    """
    truth, predicted = np.asarray(truth, np.int64), np.asarray(predicted, np.int64)
    if truth.shape != predicted.shape:
        raise InputError(
            "confusion", expected=f"one prediction for each of {truth.shape[0]} points", got=predicted.shape[0]
        )
    known = (truth >= 0) & (truth < classes)
    column = np.where((predicted >= 0) & (predicted < classes), predicted, classes)
    cells = truth[known] * (classes + 1) + column[known]
    return np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1)


def nothing(classes: int) -> np.ndarray:
    """[C, C + 1] zeros: what confusion matrices are added to."""
    return np.zeros((classes, classes + 1), np.int64)


def iou(matrix: np.ndarray) -> np.ndarray:
    """[..., C] intersection over union; NaN for a class the truth does not hold. matrix: [..., C, C + 1]."""
    hits = np.diagonal(matrix[..., :-1], axis1=-2, axis2=-1).astype(np.float64)
    truth, predicted = matrix.sum(-1), matrix[..., :-1].sum(-2)
    return _divide(hits, truth + predicted - hits, where=truth > 0)


def accuracy(matrix: np.ndarray) -> np.ndarray:
    """[..., C] share of a class's points that are right; NaN for a class the truth does not hold."""
    hits = np.diagonal(matrix[..., :-1], axis1=-2, axis2=-1).astype(np.float64)
    truth = matrix.sum(-1)
    return _divide(hits, truth, where=truth > 0)


def _divide(above: np.ndarray, below: np.ndarray, *, where: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=where)


def miou(truth: Sequence[np.ndarray], predicted: Sequence[np.ndarray], classes: int) -> float:
    """In percent, of class ids [P] of several scenes together, over the classes their truth holds."""
    total = nothing(classes)
    for one, guess in zip(truth, predicted, strict=True):
        total += confusion(one, guess, classes)
    return _mean(iou(total))


def summary(matrix: np.ndarray, names: Sequence[str], *, only: Collection[str] | None = None) -> dict[str, float]:
    """miou, macc, f_miou, f_macc (without wall, floor and ceiling) and overall, in percent.

    matrix: [C, C + 1], accumulated over a whole split; means run over the classes the truth holds. only: average over
    these names alone (all names stay candidates). A mean over no class is NaN.
    """
    wanted = np.array([only is None or name in only for name in names])
    front = foreground(names, only=only)
    values = {"iou": iou(matrix), "acc": accuracy(matrix)}
    means = {f"m{key}": _mean(value[wanted]) for key, value in values.items()}
    means |= {f"f_m{key}": _mean(value[front]) for key, value in values.items()}
    rows = matrix[wanted]
    hits = np.diagonal(matrix[:, :-1])[wanted].sum()
    return {**means, "overall": 100.0 * float(hits / rows.sum()) if rows.sum() else float("nan")}


def foreground(names: Sequence[str], *, only: Collection[str] | None = None) -> np.ndarray:
    """[C] bool: the names f- figures average over, those of ``only`` without wall, floor and ceiling."""
    return np.array([(only is None or name in only) and name not in BACKGROUND for name in names])


def _mean(values: np.ndarray) -> float:
    """Mean of what is not NaN, in percent."""
    values = values[~np.isnan(values)]
    return 100.0 * float(values.mean()) if len(values) else float("nan")


def chance(truth_counts: np.ndarray, *, seeds: int, seed: int) -> np.ndarray:
    """[S, C, C + 1] matrices of uniformly random guesses among C names, one for each seed.

    truth_counts: [C] points of each class. A row of such a matrix is one multinomial draw, so no point is guessed one
    by one.
    """
    truth_counts = np.asarray(truth_counts, np.int64)
    classes = len(truth_counts)
    draws = [
        np.random.default_rng([seed, s]).multinomial(truth_counts, np.full(classes, 1.0 / classes))
        for s in range(seeds)
    ]
    return np.pad(np.stack(draws), ((0, 0), (0, 0), (0, 1)))
