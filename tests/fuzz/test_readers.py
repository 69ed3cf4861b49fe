"""No reader crashes, hangs or takes memory on trust: damaged files of every kind are read or refused in one line.

CHORUS_MUTATIONS: how many of each kind the slow test reads (10,000); CHORUS_EXAMPLES=random draws new ones.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random, SystemRandom

import pytest

from tests.fuzz.kinds import KINDS
from tests.fuzz.mutate import mutated

ROOT = Path(__file__).parents[2]
FEW, MANY = 30, int(os.environ.get("CHORUS_MUTATIONS", "10000"))
CAPTURES = [name for name in KINDS if name.startswith(("transforms", "rgbd", "colmap-project", "video"))]
# Seeds that broke a reader once, by what they broke: kept, in the numbering of tests/fuzz/mutate.py.
BROKE = {
    "capture": (35, 43, 56, 407, 1164),
    "colmap-bin": (36, 50),
    "colmap-project": (16, 78, 152, 234, 264),
    "home": (58,),
    "interior-gs": (89, 240),
    "labels": (16, 141, 240, 917712448807),
    "library": (22, 45, 69, 1009094, 2000017),
    "model": (9, 26, 65, 71, 295),
    "npy-folder": (40, 47, 56, 1003121, 793472407814),
    "params": (48,),
    "ply-compressed": (53, 64, 202),
    "ply-labelled": (938394114419,),
    "png-16": (38, 1000093, 1000131),
    "rgbd-flat": (63, 266),
    "rgbd-tum": (50,),
    "scenes": (55, 1000316, 1000715, 1001472, 1004430),
    "sog": (48,),
    "spz-gzip": (860, 1731),
    "spz-zstd": (1401, 2236),
    "tiff-float": (18,),
    "transforms": (248,),
    "transforms-json": (47479581317,),
    "video": (1002977,),
}


def broken(folder: Path, *asked: str, seconds: float) -> list[dict]:
    """What a worker says of damaged files; raises where it did not live to its end."""
    command = [sys.executable, "-m", "tests.fuzz.worker", str(folder), *asked]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "OPENCV_FFMPEG_LOGLEVEL": "-8"}
    how = {"capture_output": True, "text": True, "errors": "replace", "timeout": seconds}
    done = subprocess.run(command, cwd=ROOT, env=env, check=False, **how)
    at = (folder / "at").read_text(errors="replace") if (folder / "at").exists() else "the start"
    assert done.returncode == 0, f"ended with {done.returncode} at {at}: {done.stderr[-3000:]}"
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_some_damaged_files_of_each_kind(tmp_path):
    """Of whole captures a fifth: each is matched and turned upright before it counts as read."""
    few = [f"{name}=0-{(FEW // 5 if name in CAPTURES else FEW) - 1}" for name in KINDS]
    again = [f"{name}={','.join(map(str, seeds))}" for name, seeds in BROKE.items()]
    assert not broken(tmp_path, *few, *again, seconds=240)


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_many_damaged_files(tmp_path, name):
    start = SystemRandom().randrange(2**40) if os.environ.get("CHORUS_EXAMPLES") == "random" else 10**6
    assert not broken(tmp_path, f"{name}={start}-{start + MANY - 1}", seconds=7200), f"from seed {start}"


def test_the_same_seed_does_the_same_damage():
    data = (ROOT / "tests/golden/splats/st_v3.spz").read_bytes()
    some = [mutated(data, Random(f"x {seed}")) for seed in range(50)]
    assert some == [mutated(data, Random(f"x {seed}")) for seed in range(50)]
    assert len(set(some)) > 45 and sum(one == data for one in some) < 5
