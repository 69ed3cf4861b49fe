"""How far a training is, for those who wait: one small file beside its checkpoint, read by any process."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress as Bars
from rich.progress import TaskID

from chorus.store import atomic_file

FILE = "progress.json"
EVERY = 1.0  # seconds between two writes, and between two looks
LINE_EVERY = 30.0  # seconds between two lines where there is no terminal


@dataclass(frozen=True)
class Progress:
    """step of steps done, the last losses, and the seconds this process has trained for."""

    step: int
    steps: int
    losses: Mapping[str, float]
    seconds: float
    first: int = 0  # the step this process began at: a resumed run did not do the ones before

    @property
    def left(self) -> float:
        """Seconds to go at the pace so far."""
        done = self.step - self.first
        return (self.steps - self.step) * self.seconds / done if done else float("inf")

    def __str__(self) -> str:
        left = f"{self.left:.0f} s left" if self.left < float("inf") else "just begun"
        loss = f", loss {self.losses['loss']:.3f}" if "loss" in self.losses else ""
        return f"step {self.step} of {self.steps}{loss}, {left}"


class Reporter:
    """The ``progress`` of a training: writes the file at most once a second; ``close`` removes it."""

    def __init__(self, folder: Path):
        self.path = Path(folder) / FILE
        self._began, self._written, self._first = time.monotonic(), 0.0, None

    def __call__(self, step: int, steps: int, losses: Mapping[str, float]) -> None:
        if self._first is None:
            self._first = step - 1
        now = time.monotonic()
        if now - self._written >= EVERY or step == steps:
            self._written = now
            state = [step, steps, dict(losses), now - self._began, self._first]
            with atomic_file(self.path) as temporary:
                temporary.write_text(json.dumps(state))

    def close(self) -> None:
        self.path.unlink(missing_ok=True)


def read_progress(folder: Path, *, since: float = 0.0) -> Progress | None:
    """How far the training that keeps its checkpoint in this folder is; None when none has run there ``since`` a time
    (time.time()): a killed one leaves its last word behind."""
    path = Path(folder) / FILE
    try:
        return Progress(*json.loads(path.read_text())) if path.stat().st_mtime >= since else None
    except (OSError, ValueError, TypeError):
        return None


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
    said, began = time.monotonic(), time.time()
    while not over.wait(EVERY):
        found = {name: progress for name, folder in folders.items() if (progress := read_progress(folder, since=began))}
        for name, progress in found.items():
            if name not in tasks:
                tasks[name] = bars.add_task("", total=progress.steps)
            bars.update(tasks[name], completed=progress.step, description=f"  {name}: {progress}")
        if found and not bars.console.is_terminal and time.monotonic() - said >= LINE_EVERY:
            said = time.monotonic()
            for name, progress in found.items():
                bars.console.print(f"  {name}: {progress}", markup=False, soft_wrap=True)
    for task in tasks.values():
        bars.remove_task(task)
