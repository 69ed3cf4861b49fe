"""How sure a figure is: homes are drawn anew and, within each, its rooms (a bootstrap in two stages).

Rooms of one home share their designer, walls and light, so rooms alone would look more certain than they are. Davison
and Hinkley 1997, Bootstrap Methods and their Application, 3.8.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from chorus import metrics


def f_miou_interval(
    methods: Sequence[Sequence[np.ndarray]],
    homes: Sequence[str],
    names: Sequence[str],
    *,
    only: Collection[str],
    draws: int,
    seed: int,
) -> list[float]:
    """[low, high], the middle 95 % of f-mIoU in percent; of the first method's minus the second's where there are two.

    methods: for each of one or two methods the matrices [C, C + 1] of the same R rooms, so that a difference is drawn
    in pairs. homes: [R] the home of each room. NaN twice with fewer than two homes: one says nothing of others.
    """
    if len(set(homes)) < 2:
        return [float("nan"), float("nan")]
    weights = room_weights(homes, draws=draws, seed=seed)
    values = [f_miou(np.tensordot(weights, np.stack(rooms), axes=1), names, only=only) for rooms in methods]
    values = values[0] - sum(values[1:])
    values = values[~np.isnan(values)]
    return np.percentile(values, [2.5, 97.5]).tolist() if len(values) else [float("nan"), float("nan")]


def room_weights(homes: Sequence[str], *, draws: int, seed: int) -> np.ndarray:
    """[D, R] how often each room is drawn: as many homes as there are, with replacement, and of every home drawn as
    many rooms as it has, with replacement. homes: [R] the home of each room."""
    kinds, home = np.unique(np.asarray(homes), return_inverse=True)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(len(kinds), np.full(len(kinds), 1 / len(kinds)), size=draws)  # [D, H]
    weights = np.zeros((draws, len(home)))
    for h in range(len(kinds)):
        rooms = np.flatnonzero(home == h)
        # a home drawn k times draws its n rooms k times over: k n draws among n, all alike
        weights[:, rooms] = rng.multinomial(times[:, h] * len(rooms), np.full(len(rooms), 1 / len(rooms)))
    return weights


def f_miou(matrices: np.ndarray, names: Sequence[str], *, only: Collection[str]) -> np.ndarray:
    """[D] f-mIoU in percent of D matrices [D, C, C + 1]: ``metrics.summary``'s for each; NaN where none of the classes
    occurs."""
    iou = metrics.iou(matrices)[:, metrics.foreground(names, only=only)]
    known = ~np.isnan(iou)
    count = known.sum(axis=1)
    return 100 * np.divide(np.where(known, iou, 0.0).sum(axis=1), count, out=np.full(len(iou), np.nan), where=count > 0)
