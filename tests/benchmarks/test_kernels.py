"""The peers compute what the kernels compute, the rows time it, and the documents name commands that exist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import (
    backfill,
    encoder,
    generated,
    gpu,
    kernels,
    paper_step,
    rehearsal,
    scaling,
    soak,
    target_rows,
    teachers,
    viewer,
    words,
)
from benchmarks.claims import __main__ as claims
from benchmarks.peers import hilbert_numpy, tile_loop
from benchmarks.rows import GROUPS, SLOW
from benchmarks.rows.voxels import voxels
from benchmarks.scenes import camera, room, surface_voxels
from benchmarks.timing import in_own_process
from chorus_kernels import curve_codes, rasterize
from tests.kernels.scenes import relative

ROOT = Path(__file__).parents[2]
COMMANDS = {"kernels": (kernels, ()), "gpu": (gpu, ()), "encoder": (encoder, ("size", "tiles", "parts"))}
COMMANDS["generated"] = (generated, ("sheet", "classes", "seconds"))
COMMANDS["target_rows"] = (target_rows, ("size", "loading"))
COMMANDS |= {"paper_step": (paper_step, ()), "scaling": (scaling, ("run", "draw")), "words": (words, ())}
COMMANDS["viewer"] = (viewer, ("open", "page"))
COMMANDS["claims"] = (claims, ("run", "storage", "page"))
COMMANDS |= {"rehearsal": (rehearsal, ("run",)), "soak": (soak, ())}
COMMANDS["backfill"] = (backfill, ())
COMMANDS["teachers"] = (teachers, ("nms", "storage", "weights"))


@pytest.mark.parametrize("tile", [16, 24])
def test_the_tile_loop_renders_what_rasterize_renders(tile):
    scene, view = room(400), camera(40)
    got, want = tile_loop(*scene, view, tile=tile), rasterize(*scene, view)
    for a, b in zip(got, want[:3], strict=True):
        assert relative(a, b[0]) < 1e-3  # rounding moves a splat at 1/255 to the other side
    assert 0.5 < want.alphas.mean() < 1


def test_hilbert_codes_of_numpy_are_ours():
    grid = torch.randint(0, 2**16, (500, 3), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    codes = curve_codes(grid, torch.zeros(500, dtype=torch.int64), "hilbert")
    assert np.array_equal(hilbert_numpy(grid.numpy(), 16), codes.numpy())


def test_surface_voxels_are_distinct_and_as_many_as_asked_for():
    grid = surface_voxels(800)
    assert len(torch.unique(grid, dim=0)) == len(grid) == 800


def test_rows_are_measured():
    rows = list(voxels(400))
    assert [row.op for row in rows] == ["submanifold_conv", "submanifold_conv", "neighbors"]
    assert all(row.milliseconds > 0 and row.peer_milliseconds > 0 for row in rows)


def test_groups_are_chosen_by_a_part_of_their_name():
    assert kernels.chosen((), quick=False) == list(GROUPS)
    assert kernels.chosen((), quick=True) == [name for name in GROUPS if name not in SLOW]
    assert kernels.chosen(("features", "ssim"), quick=True) == ["features-64", "features-768", "ssim"]
    with pytest.raises(SystemExit, match="no group holds nonsense; there are rasterize-20k"):
        kernels.main(("nonsense",))


def test_a_process_of_its_own():
    assert in_own_process(os.getpid) != os.getpid()


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is missing")
def test_without_a_device_the_gpu_table_says_so():
    done = subprocess.run([sys.executable, "-m", "benchmarks.gpu"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("benchmarks.gpu: no CUDA device") and not done.stdout


def test_documents_name_commands_that_exist():
    names = subprocess.run(
        ["git", "ls-files", "*.md", "Makefile"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    text = "\n".join((ROOT / name).read_text() for name in names.stdout.split())
    used = set(re.findall(r"python -m benchmarks\.(\w+)(?: ([a-z]\w*))?", text))
    assert {name for name, _ in used} == set(COMMANDS)
    for name, verb in used:
        module, verbs = COMMANDS[name]
        assert (verb in verbs and callable(getattr(module, verb))) if verbs else not verb, f"{name} {verb}"
