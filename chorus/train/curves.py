"""curves.csv: the losses of a training, averaged over every few steps."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from chorus.errors import InputError

CURVES = "curves.csv"


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
