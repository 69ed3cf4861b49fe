"""Verdicts: two sides compared in figures kept as counts by room, with an interval over homes, rooms and seeds.

Homes are drawn anew, of each home its rooms, and of each side its seeds; both sides see the same rooms, so a difference
is drawn in pairs. With H homes such an interval is too narrow by about sqrt((H - 1) / H), since a home is compared with
the mean of all (Hesterberg 2015, section 3.3): it is widened about the difference by as much.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from chorus import metrics
from chorus.errors import InputError
from chorus.evaluate.instances import area
from chorus.evaluate.intervals import room_weights

Figure = Mapping[str, Any]  # of a run's file: rooms [[name, home]] and counts by room
Verdict = Literal["shown", "not settled", "refuted", "not run"]
AP25, AP50 = 2, 3  # columns of a proposal: class, score, hit at 0.25, hit at 0.5


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What was found: means over seeds of each side, in percent, and the middle 95 % of ours minus other."""

    ours: float
    other: float
    low: float
    high: float

    @property
    def mean(self) -> float:
        return self.ours - self.other

    def verdict(self, margin: float | None = None) -> Verdict:
        """Of "more", or with a margin in points of "no less than that below"."""
        if not np.isfinite([self.low, self.high]).all():
            return "not settled"
        bar = 0.0 if margin is None else -margin
        return "shown" if self.low > bar else "refuted" if self.high < bar else "not settled"


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """A claim's verdict from those of its comparisons: shown when all are, refuted when one is, not run when none
    was."""
    run = [verdict for verdict in verdicts if verdict != "not run"]
    if not run:
        return "not run"
    if "refuted" in run:
        return "refuted"
    return "shown" if len(run) == len(verdicts) and set(run) == {"shown"} else "not settled"


def measured(figure: Figure, measure: str, names: Sequence[str], weights: np.ndarray) -> np.ndarray:
    """[D] a measure in percent of a figure whose rooms count ``weights`` [D, R] times."""
    return MEASURES[measure](figure, names, weights)


def compare(
    ours: Sequence[Figure], other: Sequence[Figure], measure: str, names: Sequence[str], *, draws: int, seed: int
) -> Difference:
    """ours, other: the same figure of every seed. Raises InputError for sides of different rooms, or without a seed."""
    rooms = [figure["rooms"] for figure in (*ours, *other)]
    if not ours or not other or any(found != rooms[0] for found in rooms):
        raise InputError("claims", expected="figures of the same rooms on both sides", got="others, or none")
    homes = [home for _, home in rooms[0]]
    once = np.ones((1, len(homes)))
    means = [float(np.mean([measured(each, measure, names, once) for each in side])) for side in (ours, other)]
    low = high = float("nan")
    if (kinds := len(set(homes))) > 1:
        weights, rng = room_weights(homes, draws=draws, seed=seed), np.random.default_rng([seed, 1])
        drawn = [_over_seeds([measured(each, measure, names, weights) for each in side], rng) for side in (ours, other)]
        low, high = widened(drawn[0] - drawn[1], means[0] - means[1], homes=kinds)
    return Difference(ours=means[0], other=means[1], low=low, high=high)


def widened(values: np.ndarray, center: float, *, homes: int) -> tuple[float, float]:
    """The middle 95 % of ``values`` [D], stretched about the center by sqrt(homes / (homes - 1))."""
    low, high = np.nanpercentile(values, [2.5, 97.5])
    stretch = np.sqrt(homes / (homes - 1))
    return float(center + (low - center) * stretch), float(center + (high - center) * stretch)


def _over_seeds(values: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """[D] the mean over as many seeds as there are, drawn with replacement in each draw. values: a [D] a seed."""
    found = np.stack(values)
    times = rng.multinomial(len(found), np.full(len(found), 1 / len(found)), size=found.shape[1])
    return (times.T * found).sum(axis=0) / len(found)


def table(lines: Sequence[str]) -> np.ndarray:
    """[R, C] counts of a line a room."""
    return np.array([[int(value) for value in line.split()] for line in lines])


def _iou(figure: Figure, names: Sequence[str], weights: np.ndarray, *, foreground: bool) -> np.ndarray:
    hits, truth, predicted = (weights @ table(figure[key]) for key in ("hits", "truth", "predicted"))
    wanted = metrics.foreground(names) if foreground else np.ones(len(names), bool)
    known = (truth > 0) & wanted
    iou = np.divide(hits, truth + predicted - hits, out=np.zeros_like(hits), where=known)
    return _mean(iou, known)


def _mean(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    count = known.sum(axis=1)
    sums = np.where(known, values, 0.0).sum(axis=1)
    return 100 * np.divide(sums, count, out=np.full(len(values), np.nan), where=count > 0)


def _objects(figure: Figure, names: Sequence[str], weights: np.ndarray, *, column: int) -> np.ndarray:
    total = weights @ table(figure["truth"])
    found = [(*one, room) for room, proposals in enumerate(figure["proposals"]) for one in proposals]
    rows = np.array(found, float).reshape(-1, 5)
    values = np.full(total.shape, np.nan)
    for label in range(total.shape[1]):
        own = rows[rows[:, 0] == label]
        times = weights[:, own[:, 4].astype(int)]
        values[:, label] = area(own[:, 1], own[:, column], times, total[:, label])
    return _mean(values, total > 0)


def _share(figure: Figure, names: Sequence[str], weights: np.ndarray) -> np.ndarray:
    hits, truth = (weights @ table([figure[key]])[0] for key in ("hits", "truth"))
    return 100 * np.divide(hits, truth, out=np.full(len(weights), np.nan), where=truth > 0)


Measure = Callable[[Figure, Sequence[str], np.ndarray], np.ndarray]
MEASURES: dict[str, Measure] = {
    "miou": lambda *given: _iou(*given, foreground=False),
    "f_miou": lambda *given: _iou(*given, foreground=True),
    "ap25": lambda *given: _objects(*given, column=AP25),
    "ap50": lambda *given: _objects(*given, column=AP50),
    "r1": _share,
}
