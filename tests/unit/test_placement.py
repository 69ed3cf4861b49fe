"""Every stage with its tensors on a device that is not the CPU: tests/placement, in a process of its own.

A stand-in (tests/placement/standin.cpp) refuses what a card refuses - tensors of two devices in one op, generators of
the CPU - and counts what makes a host wait. It cannot see asynchrony, streams and races, the kernels of CUDA, gsplat
and spconv (torch twins imitate them), what bfloat16 does to values (nothing is cast there), nor memory and speed:
those are for `pytest -m gpu` and `python benchmarks/gpu.py` on a card.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROCESSES = (("standin", "kernels", "fit", "stages"), ("encoder", "teachers"))  # each takes seconds to start


@pytest.mark.parametrize("parts", PROCESSES)
def test_on_the_stand_in(parts):
    if shutil.which(os.environ.get("CXX", "c++")) is None:
        pytest.skip("no C++ compiler to build the stand-in with")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "-W",
        "ignore",
        *(f"tests/placement/test_{part}.py" for part in parts),
    ]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "CHORUS_STANDIN": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout and "skipped" not in done.stdout


def test_no_part_is_left_out():
    there = {path.stem.removeprefix("test_") for path in (ROOT / "tests" / "placement").glob("test_*.py")}
    assert there == {part for parts in PROCESSES for part in parts}
