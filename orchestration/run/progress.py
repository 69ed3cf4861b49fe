"""What a person at a terminal sees of a long command; a log gets one line a phase."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from chorus.train.progress import shown
from orchestration.run.one_run import Outcome


class Progress:
    """A bar for each phase on a terminal, lines elsewhere; all of it on stderr.

    trainings: name -> folder of the checkpoint of each that may run meanwhile; their steps are shown too.
    """

    def __init__(self, trainings: Mapping[str, Path] | None = None, console: Console | None = None):
        self._trainings = trainings or {}
        self.console = console or Console(stderr=True, highlight=False)
        self._bars = Bars(
            TextColumn("{task.description:<44}"),
            BarColumn(24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self.console,
            disable=not self.console.is_terminal,
        )

    def __enter__(self) -> "Progress":
        self._bars.start()
        return self

    def __exit__(self, *_) -> None:
        self._bars.stop()

    def follow(self, phase: Sequence[str], jobs: Sequence, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Pass outcomes on while showing them."""
        if not jobs:
            return
        bar = self._bars.add_task(", ".join(phase), total=len(jobs))
        seconds = 0.0
        with shown(self._bars, self._trainings):
            for outcome in outcomes:
                seconds += outcome.seconds
                for line in (*outcome.warnings, *([f"FAILED {outcome.error}"] if outcome.error else [])):
                    self.console.print(f"  {_named(outcome, line)}", markup=False, soft_wrap=True)
                self._bars.advance(bar)
                yield outcome
        if not self.console.is_terminal:
            self.console.print(
                f"{', '.join(phase)}: {len(jobs)} run{'s' if len(jobs) > 1 else ''}, {seconds:.0f} s of work",
                soft_wrap=True,
            )

    def conclude(self, runs: int, failed: Mapping[str | None, Outcome], seconds: float) -> int:
        """Print the last lines; return the exit code."""
        if not failed:
            self.console.print(
                f"done: {runs} run{'s' if runs > 1 else ''} in {seconds:.0f} s"
                if runs
                else "nothing to do: everything is up to date"
            )
            return 0
        for outcome in failed.values():
            self.console.print(f"chorus: {_named(outcome, outcome.error)}", markup=False, soft_wrap=True)
        others = f"; {runs - len(failed)} other runs are done" if runs > len(failed) else ""
        self.console.print(f"{len(failed)} failed{others}", markup=False)
        return 2 if all(outcome.foreseen for outcome in failed.values()) else 1


def _named(outcome: Outcome, line: str) -> str:
    return f"{outcome.scene}: {line}" if outcome.scene else line
