"""The card's benchmark runs on the CPU at a small size, and refuses in one line what it cannot do."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks import gpu

ROOT = Path(__file__).parents[2]
STAGES = ["fit", "teacher view", "lift", "distillation step", "adaptation step", "encode"]


def test_every_stage_runs_on_the_cpu(capsys, tmp_path):
    gpu.main(device="cpu", small=True, markdown=tmp_path / "table.md")
    rows = [line for line in (tmp_path / "table.md").read_text().splitlines() if line.startswith("| ")][2:]
    for stage in STAGES:
        assert any(row.startswith(f"| {stage}") for row in rows), stage
    assert all(float(row.split(" | ")[2]) > 0 for row in rows)
    assert capsys.readouterr().out.startswith("cpu, torch ")


@pytest.mark.parametrize(("options", "says"), [([], "no CUDA device"), (["--device", "cpu"], "add --small")])
@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is missing")
def test_without_a_card_one_line(options, says):
    done = subprocess.run([sys.executable, "benchmarks/gpu.py", *options], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and done.stderr.startswith("benchmarks.gpu: ") and says in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout
