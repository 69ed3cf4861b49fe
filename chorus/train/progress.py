"""How far trainings are, for those who wait: bars at a terminal, lines elsewhere, fed from their live figures."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress as Bars
from rich.progress import TaskID

from chorus.train.live import Follower

EVERY = 1.0  # seconds between two looks
LINE_EVERY = 30.0  # seconds between two lines where there is no terminal


@dataclass(frozen=True)
class Progress:
    """step of steps done, the losses of the last row, and the seconds the process has trained for."""

    step: int
    steps: int
    losses: Mapping[str, float]
    seconds: float
    first: int = 0  # the step the process began at: a resumed run did not do the ones before

    @property
    def left(self) -> float:
        """Seconds to go at the pace so far."""
        done = self.step - self.first
        return (self.steps - self.step) * self.seconds / done if done else float("inf")

    def __str__(self) -> str:
        left = f"{self.left:.0f} s left" if self.left < float("inf") else "just begun"
        loss = f", loss {self.losses['loss']:.3f}" if "loss" in self.losses else ""
        return f"step {self.step} of {self.steps}{loss}, {left}"


def progress_of(follower: Follower, before: Progress | None) -> Progress | None:
    """How far the training is that a follower reads, known to be at ``before``; None where none runs."""
    rows = follower.new()
    if follower.head is None:
        return before
    first, steps = follower.head["first"], follower.head["steps"]
    if not rows:
        return before or Progress(first, steps, {}, 0.0, first)
    last = rows[-1]
    losses = {name: value for name, value in last.items() if name not in ("step", "lr", "seconds")}
    return Progress(last["step"], steps, losses, last.get("seconds", 0.0), first)


@contextlib.contextmanager
def shown(bars: Bars, folders: Mapping[str, Path]) -> Iterator[None]:
    """While this lasts, show the trainings that keep their checkpoints in these folders (name -> folder), in whichever
    process they run: a bar each on a terminal, a line now and then elsewhere."""
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(bars, folders, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(bars: Bars, folders: Mapping[str, Path], over: threading.Event) -> None:
    tasks: dict[str, TaskID] = {}
    found: dict[str, Progress] = {}
    said = time.monotonic()
    followers = {name: Follower(folder, since=time.time()) for name, folder in folders.items()}
    while not over.wait(EVERY):
        for name, follower in followers.items():
            progress = progress_of(follower, found.get(name))
            if progress is None:
                continue
            found[name] = progress
            if name not in tasks:
                tasks[name] = bars.add_task("", total=progress.steps)
            bars.update(tasks[name], completed=progress.step, description=f"  {name}: {progress}")
        if found and not bars.console.is_terminal and time.monotonic() - said >= LINE_EVERY:
            said = time.monotonic()
            for name, progress in found.items():
                bars.console.print(f"  {name}: {progress}", markup=False, soft_wrap=True)
    for task in tasks.values():
        bars.remove_task(task)
