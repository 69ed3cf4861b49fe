"""How long artifacts took to make: kept under the state folder, outside the artifacts, which hold nothing that differs
between runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from chorus.stages import STAGES, part_of
from chorus.store import Store, atomic_file


def record_seconds(store: Store, stage: str, scene: str | None, seconds: float, *, device: str = "cpu") -> None:
    """Keep the wall time of one artifact, and where it was computed."""
    with atomic_file(store.state / "seconds" / stage / f"{scene or 'all'}.txt", lasting=False) as path:
        path.write_text(f"{seconds:.4f} {device}\n")


def seconds_by_stage(store: Store, scenes: Iterable[str]) -> dict[str, float]:
    """Stage (``capture``, ``gaussians``, ...) -> seconds of work, summed over these scenes."""
    names = ["all", *scenes]
    files = {stage: [store.state / "seconds" / stage / f"{name}.txt" for name in names] for stage in STAGES}
    made = {stage: [_seconds(path) for path in paths if path.exists()] for stage, paths in files.items()}
    return {part_of(stage): round(sum(seconds), 4) for stage, seconds in made.items() if seconds}


def _seconds(path: Path) -> float:
    return float(path.read_text().split()[0])  # what follows says where
