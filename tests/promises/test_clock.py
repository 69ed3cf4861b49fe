"""A wall clock that jumps back and forth, by seconds and by decades, changes no byte of an artifact."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.preload import built
from tests.promises.chain import Chain
from tests.promises.conftest import lay_out
from tests.promises.test_surroundings import contents, made, start

YEARS = "import time; print([time.gmtime(time.time()).tm_year for _ in range(40)])"


@pytest.fixture(scope="module")
def clock(tmp_path_factory) -> str:
    """The library to preload: see clock.c."""
    return str(built(Path(__file__).with_name("clock.c"), tmp_path_factory.mktemp("clock")))


def test_the_clock_jumps(clock):
    env = {"LD_PRELOAD": clock}
    said = subprocess.run([sys.executable, "-c", YEARS], env=env, capture_output=True, text=True).stdout
    years = json.loads(said)
    assert 1971 in years and max(years) >= 2095 and years != sorted(years)


@pytest.mark.slow
def test_a_capture_and_its_gaussians(clock, tmp_path):
    plain, strange = (lay_out(tmp_path / name) for name in ("plain", "strange"))
    made(start(plain))
    assert [fresh for fresh, _ in made(start(strange, LD_PRELOAD=clock))] == [True, True]
    assert contents(strange) == contents(plain)


@pytest.mark.slow
def test_the_whole_chain(clock, finished, tmp_path):
    chain = Chain(tmp_path, LD_PRELOAD=clock)
    chain.finish()
    assert chain.hashes() == finished.hashes()
    assert not chain.unfinished() and not chain.left_over()
