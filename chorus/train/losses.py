"""Losses added up where they are computed, and read every few steps as the row of a curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from chorus.train.ranks import Ranks


@dataclass
class LossCurve:
    """One row, {step, lr, loss, ...}, for every ``every`` of ``steps`` steps, and for the last. A loss that a sample
    lacks does not count in it.

    Sums stay where the losses are until a row is made: adding up waits for no device.
    """

    every: int
    steps: int
    rows: list[dict] = field(default_factory=list)
    _sums: dict[str, Tensor] = field(default_factory=dict)  # name -> [] float64 since the last row
    _counts: dict[str, int] = field(default_factory=dict)

    def add(self, losses: Mapping[str, Tensor]) -> None:
        """The losses of one sample: a number each."""
        for name, value in losses.items():
            value = value.detach().double()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] = self._counts.get(name, 0) + 1

    def due(self, done: int) -> bool:
        """Whether a row is to be made now that ``done`` steps are done."""
        return done % self.every == 0 or done == self.steps

    def close_row(self, done: int, lr: float, ranks: Ranks) -> dict:
        """The row of what all ranks added since the last one."""
        totals: dict[str, float] = {}
        counts: dict[str, int] = {}
        for sums in ranks.gathered(self.sums()):
            for name, (total, count) in sums.items():
                totals[name], counts[name] = totals.get(name, 0.0) + total, counts.get(name, 0) + count
        self.rows.append({"step": done, "lr": lr, **{name: totals[name] / counts[name] for name in totals}})
        self._sums, self._counts = {}, {}
        return self.rows[-1]

    def sums(self) -> dict[str, tuple[float, int]]:
        """name -> sum and count since the last row, on the host."""
        if not self._sums:
            return {}
        values = torch.stack(list(self._sums.values())).tolist()
        return {name: (value, self._counts[name]) for name, value in zip(self._sums, values, strict=True)}

    def restore(self, rows: Sequence[dict], sums: Mapping[str, Sequence], device: torch.device) -> None:
        """Go on where ``rows`` and ``sums()`` were taken."""
        self.rows = list(rows)
        self._sums = {
            name: torch.tensor(total, dtype=torch.float64, device=device) for name, (total, _) in sums.items()
        }
        self._counts = {name: int(count) for name, (_, count) in sums.items()}
