"""Several processes share a training: real ranks under torchrun, over gloo."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from chorus.errors import InputError, LostProcess
from chorus.train.checkpoint import CHECKPOINT
from chorus.train.launch import Job, launch
from tests.unit.train import ranked

ROOT = Path(__file__).parents[3]
ENV = {"PYTHONPATH": str(ROOT)}
FILES = ("model.safetensors", "config.json", "curves.csv", "metrics.json")


def job(folder: Path, *, ranks: int, accumulate: int = 1, die: str = "") -> Job:
    words = (str(folder), str(folder / "state"), str(accumulate), str(ranks), *([die] if die else []))
    return Job("tiny", "tests.unit.train.ranked", words, ranks)


@pytest.fixture(scope="module")
def two_ranks(tmp_path_factory) -> Path:
    """What two ranks, a scene each, write undisturbed."""
    folder = tmp_path_factory.mktemp("two")
    launch([job(folder, ranks=2)], ENV)
    return folder


def files(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


def test_two_ranks_are_one_that_accumulates_two_scenes(two_ranks, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ranked", *job(tmp_path, ranks=1, accumulate=2).arguments])
    ranked.main()
    ours, theirs = load_file(two_ranks / "model.safetensors"), load_file(tmp_path / "model.safetensors")
    assert len(ours) > 40
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=0, atol=1e-6)
    rows = [(folder / "curves.csv").read_text().splitlines() for folder in (two_ranks, tmp_path)]
    assert rows[0][0] == rows[1][0] == "step,lr,loss,lang,dino,object" and len(rows[0]) == len(rows[1]) == 6
    for a, b in zip(rows[0][1:], rows[1][1:], strict=True):
        pairs = [(float(x), float(y)) for x, y in zip(a.split(","), b.split(","), strict=True) if x or y]
        assert all(x == pytest.approx(y, rel=1e-4) for x, y in pairs)


def test_with_a_rank_killed_and_with_all_killed_a_run_goes_on_to_the_same_bytes(two_ranks, tmp_path):
    with pytest.raises(LostProcess, match="^rank 1 of 2: expected .* killed by SIGKILL.* Run the same command again"):
        launch([job(tmp_path, ranks=2, die="1:9")], ENV)
    checkpoint = tmp_path / "state" / CHECKPOINT
    assert torch.load(checkpoint, weights_only=True)["step"] == 6
    first, deadline = checkpoint.stat().st_ino, time.monotonic() + 120
    process = subprocess.Popen(job(tmp_path, ranks=2).command, cwd=ROOT, env={**os.environ, **ENV})
    while checkpoint.stat().st_ino == first and time.monotonic() < deadline:
        time.sleep(0.002)
    for number in _family(process.pid):
        os.kill(number, signal.SIGKILL)
    process.wait()
    assert checkpoint.stat().st_ino != first and not (tmp_path / "model.safetensors").exists()
    launch([job(tmp_path, ranks=2)], ENV)
    assert files(tmp_path) == files(two_ranks) and not list((tmp_path / "state").iterdir())


def _family(process: int) -> list[int]:
    """The process and its children, the youngest last."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [process, *(number for child in children for number in _family(int(child)))]


def test_an_error_comes_back_as_it_was_raised_and_a_crash_with_its_trace(tmp_path):
    with pytest.raises(InputError, match="distillation: expected 3 ranks, as its parameters say, got 1."):
        launch([Job("tiny", "tests.unit.train.ranked", (str(tmp_path), str(tmp_path), "1", "3"))], ENV)
    with pytest.raises(RuntimeError, match="ValueError: not enough values to unpack"):
        launch([Job("tiny", "tests.unit.train.ranked")], ENV)


def test_nobody_outlives_whom_it_was_started_by(tmp_path):
    code = (
        "import subprocess, sys\n"
        "child = 'import time, chorus.train.launch as l; l._follow_parent(); print(1, flush=True); time.sleep(60)'\n"
        "p = subprocess.Popen([sys.executable, '-c', child], stdout=subprocess.PIPE); p.stdout.readline()\n"
        "print(p.pid, flush=True)"
    )
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()
