"""The course of a training: losses averaged over every few steps, and the curves.csv they are kept in."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chorus.errors import InputError

CURVES = "curves.csv"


@dataclass
class LossCurve:
    """One row, {step, lr, loss, ...}, for every ``every`` of ``steps`` steps, and for the last. A loss that a step
    lacks does not count in it."""

    every: int
    steps: int
    rows: list[dict] = field(default_factory=list)
    sums: dict[str, list[float]] = field(default_factory=dict)  # name -> [sum, count] since the last row

    def add(self, done: int, lr: float, losses: dict[str, float]) -> None:
        """The losses of the step after which ``done`` steps are done."""
        for name, value in losses.items():
            total, count = self.sums.get(name, (0.0, 0))
            self.sums[name] = [total + value, count + 1]
        if done % self.every == 0 or done == self.steps:
            self.rows.append(
                {"step": done, "lr": lr, **{name: total / count for name, (total, count) in self.sums.items()}}
            )
            self.sums = {}


def write_curves(path: Path, rows: Sequence[dict]) -> None:
    """One line a row, six digits; a column a row lacks stays empty."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with open(path, "w", newline="") as stream:
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()} for row in rows
        )


def read_curves(path: Path) -> list[dict[str, float | None]]:
    """What :func:`write_curves` wrote, a dict a row; None where a cell is empty. Raises InputError when it cannot be
    read."""
    try:
        with open(path, newline="") as stream:
            rows = [
                {name: float(cell) if cell else None for name, cell in row.items()} for row in csv.DictReader(stream)
            ]
    except (OSError, ValueError, TypeError) as error:
        raise InputError(path, expected="a table of losses", got=error, fix="Train the model again.") from error
    if not rows:
        raise InputError(path, expected="at least one logged step", got="none", fix="Train the model again.")
    return rows
