"""The course of a training: losses averaged over every few steps."""

from __future__ import annotations

from dataclasses import dataclass, field


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
