"""Rows that compare this machine with itself: other instruction sets, two threads."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import torch
from scenes import camera, room
from timing import Row, milliseconds

import chorus_kernels as ck
from chorus_kernels import dispatch

ISA_SCRIPT = """
import sys; sys.path.insert(0, {folder!r})
import torch, chorus_kernels as ck
from scenes import room, camera
from timing import milliseconds
torch.set_num_threads(1)
scene, view = room(20000), camera(256)
with torch.no_grad():
    print(milliseconds(lambda: ck.rasterize(*scene, **view), repeats=15))
"""


def instruction_sets() -> Iterator[Row]:
    """How much a machine with a lesser instruction set loses: `ratio` is below one, at least 1/2 and 1/4."""
    best = dispatch.native().isa
    script = ISA_SCRIPT.format(folder=os.path.dirname(os.path.abspath(__file__)))
    times = {}
    for isa in {"avx512": ["avx512", "avx2", "sse42"], "avx2": ["avx2", "sse42"]}.get(best, []):
        done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "CHORUS_ISA": isa}, capture_output=True, text=True, check=True)
        times[isa] = float(done.stdout)
    for isa, at_least in (("avx2", 0.5), ("sse42", 0.25)):
        if isa in times and best == "avx512":
            yield Row("rasterize", f"20k at 256x256, forward, {isa} build", f"{best} build", times[isa], times[best], at_least)


def threads() -> Iterator[Row]:
    """Wall time of two threads; means something only on an otherwise idle machine."""
    scene, view = room(100000), camera(512)
    times = []
    for count in (1, 2):
        torch.set_num_threads(count)
        with torch.no_grad():
            times.append(milliseconds(lambda: ck.rasterize(*scene, **view), repeats=9, clock=time.perf_counter))
    torch.set_num_threads(1)
    yield Row("rasterize", "100k at 512x512, forward, two threads (wall)", "one thread", times[1], times[0], 1.8)
