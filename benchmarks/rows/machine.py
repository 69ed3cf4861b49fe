"""Rows that compare this machine with itself: other instruction sets, two threads."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

import chorus_kernels as ck
from benchmarks.scenes import camera, room
from benchmarks.table import Row
from benchmarks.timing import in_turns, milliseconds
from chorus_kernels import dispatch

ROOT = Path(__file__).parents[2]


def forward() -> float:
    """Milliseconds of the reference scene on one thread."""
    torch.set_num_threads(1)
    scene, view = room(20000), camera(256)
    with torch.no_grad():
        return milliseconds(lambda: ck.rasterize(*scene, view), repeats=100)


def instruction_sets() -> Iterator[Row]:
    """How much a machine with a lesser instruction set loses: `ratio` is below one, at least 1/2 and 1/4."""
    best = dispatch.native().isa
    script = "from benchmarks.rows.machine import forward; print(forward())"
    times = {}
    for isa in {"avx512": ["avx512", "avx2", "sse42"], "avx2": ["avx2", "sse42"]}.get(best, []):
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "CHORUS_ISA": isa},
            capture_output=True,
            text=True,
            check=True,
        )
        times[isa] = float(done.stdout)
    for isa, at_least in (("avx2", 0.5), ("sse42", 0.25)):
        if isa in times and best == "avx512":
            yield Row(
                "rasterize", f"20k at 256x256, forward, {isa} build", f"{best} build", times[isa], times[best], at_least
            )


def threads() -> Iterator[Row]:
    """Wall time of two threads; means something only on an otherwise idle machine. A matrix product says what the
    machine can give."""
    scene, view, square = room(100000), camera(512), torch.randn(1500, 1500, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        one, two = _one_and_two(lambda: ck.rasterize(*scene, view), rounds=400)
        alone, together = _one_and_two(lambda: square @ square, rounds=10)
    yield Row(
        "rasterize",
        "100k at 512x512, forward, two threads (wall)",
        "one thread",
        two,
        one,
        1.8,
        note=f"torch matrix product {alone / together:.2f}x",
    )


def _one_and_two(run: Callable[[], object], *, rounds: int) -> list[float]:
    """Milliseconds on one thread and on two."""
    best = in_turns(lambda: _on(1, run), lambda: _on(2, run), rounds=rounds, clock=time.perf_counter)
    torch.set_num_threads(1)
    return best


def _on(threads: int, run: Callable[[], object]) -> None:
    torch.set_num_threads(threads)
    run()
