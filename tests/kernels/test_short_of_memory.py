"""Memory refused at every single request of every op is a MemoryError, never the end of the process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.preload import built

ROOT = Path(__file__).parents[2]
# Ops that work in what they are handed: nothing of theirs can be refused.
NEEDS_NOTHING = {"curve_codes", "segment_reduce", "segment_reduce backward"}


@pytest.fixture(scope="module")
def shim(tmp_path_factory) -> Path:
    return built(Path(__file__).with_name("short_of_memory.cpp"), tmp_path_factory.mktemp("shim"))


@pytest.mark.parametrize("threads", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_every_request_of_every_op_may_be_refused(shim, threads):
    env = {**os.environ, "LD_PRELOAD": str(shim), "OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "tests.kernels.run_short", str(threads)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-2000:]}"
    refused = json.loads(done.stdout)
    assert {name for name, count in refused.items() if count == 0} <= NEEDS_NOTHING, refused
