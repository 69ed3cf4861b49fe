"""What surrounds a stage changes no byte: where its folder lies and what it is called, home, mask, locale, time zone;
two terminals that make the same thing do its work once."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chorus.store import MANIFEST
from tests.promises.conftest import environment, lay_out

pytestmark = pytest.mark.slow
# Makes the capture and the Gaussians of a room; prints their hashes and whether they were made now.
MAKE = """
import json, os, sys
from pathlib import Path
from chorus.recipes import scenes
from chorus.workspace import Workspace
os.umask(int(sys.argv[1], 8))
workspace = Workspace.open(Path(os.environ["CHORUS_ROOT"]))
told = []
for stage in (scenes.capture, scenes.gaussians):
    artifact = stage(workspace, "room").run()
    told.append([artifact.fresh, artifact.hash])
print(json.dumps(told))
"""


def start(root: Path, mask: str = "022", **more: str) -> subprocess.Popen:
    command = [sys.executable, "-c", MAKE, mask]
    return subprocess.Popen(command, cwd=root, env=environment(root, **more), stdout=subprocess.PIPE, text=True)


def made(process: subprocess.Popen) -> list[list]:
    """[whether it was made now, hash] of each artifact."""
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return json.loads(said.splitlines()[-1])


def contents(root: Path) -> dict[str, bytes]:
    """Every file of the artifacts, their manifests aside, which say how long things took."""
    found = [path for name in ("capture", "gaussians") for path in (root / "data" / name).rglob("*")]
    return {str(p.relative_to(root)): p.read_bytes() for p in found if p.is_file() and p.name != MANIFEST}


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    root = lay_out(tmp_path_factory.mktemp("plain"))
    assert [fresh for fresh, _ in made(start(root))] == [True, True]
    return root


def test_strange_surroundings_change_no_byte(plain, tmp_path):
    root = lay_out(tmp_path / "50%20 of? a #1 Küche")
    strange = {"HOME": "/nowhere", "LC_ALL": "tr_TR.UTF-8", "LANG": "C", "TZ": "Pacific/Kiritimati", "PYTHONUTF8": "0"}
    made(start(root, "077", **strange))
    assert contents(root) == contents(plain) and len(contents(root)) > 3


@pytest.mark.parametrize("how", ["moved", "copied"])
def test_a_folder_that_moved_is_up_to_date(plain, tmp_path, how):
    before, after = tmp_path / "before", tmp_path / "nach % 20? #ü"
    shutil.copytree(plain, before)
    assert not any(fresh for fresh, _ in made(start(before)))
    (os.rename if how == "moved" else shutil.copytree)(before, after)
    assert not any(fresh for fresh, _ in made(start(after)))
    assert contents(after) == contents(plain)


def test_two_terminals_make_it_once(plain, tmp_path):
    root = lay_out(tmp_path / "a")
    first, second = map(made, [start(root), start(root)])
    for (mine, my_hash), (others, other_hash) in zip(first, second, strict=True):
        assert mine != others and my_hash == other_hash
    assert contents(root) == contents(plain)
    assert not list((root / "data").glob("*/.*-*"))
