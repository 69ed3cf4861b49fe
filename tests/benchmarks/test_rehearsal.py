import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.rehearsal import QUERIES, lay_out
from chorus.workspace import Workspace

ROOT = Path(__file__).parents[2]


def test_as_many_scenes_are_listed_as_asked_for(tmp_path):
    lay_out(tmp_path / "many", 12)
    assert Workspace.open(tmp_path / "many").scenes() == [f"room-{number:05d}" for number in range(12)]


@pytest.mark.slow
def test_a_small_rehearsal(tmp_path):
    """Killed half way, it makes every scene once, and its figures say so."""
    command = [sys.executable, "-m", "benchmarks.rehearsal", "run", str(tmp_path / "few"), "--scenes", "6"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads((tmp_path / "few/rehearsal.json").read_text())
    assert told["scenes made twice"] == 0 and told["runs left unfinished"] == 0
    assert set(told["status"]) == set(QUERIES)
    assert all(0 < seconds < 30 for answers in told["status"].values() for seconds in answers.values())
    assert 0 < told["of which the stubs"] < told["CPU seconds a scene, second half"]
    assert len(list((tmp_path / "few/data/gaussians").glob("room-*/manifest.json"))) == 6
