"""The card's benchmark on the stand-in: what it times is whole there."""

from pathlib import Path

from benchmarks.stages import SMALL, lines
from chorus.params import load_params


def test_every_stage_of_the_benchmark_runs(device):
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    found = [line.stage for line in lines(SMALL, params, device, repeats=1)]
    assert len(found) == 10 and len(set(found)) == 10
