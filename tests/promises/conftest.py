"""Small workspaces, and a disk that can be told to fail."""

import os
import shutil
from pathlib import Path

import pytest

from tests.preload import built
from tests.promises.chain import Chain
from tests.unit.conftest import box_room
from tests.unit.sources.test_real_folders import write_rgbd

ROOT = Path(__file__).parents[2]
SMALL = """\
capture: {rgbd_long_side: 48, max_views: 8}
fit: {max_gaussians_real: 300, iterations_real: 6}
"""


@pytest.fixture(scope="session")
def disk(tmp_path_factory) -> Path:
    """The library to preload: see disk.c."""
    return built(Path(__file__).with_name("disk.c"), tmp_path_factory.mktemp("disk"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Chain:
    """The tiny chain, run to its end: to be copied and looked at, not to be changed."""
    chain = Chain(tmp_path_factory.mktemp("finished"))
    chain.finish()
    return chain


def lay_out(root: Path) -> Path:
    """A project folder with one dropped RGB-D room, whose capture and fit take a second."""
    (root / "data/incoming").mkdir(parents=True)
    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
    (root / "small.yaml").write_text(SMALL)
    write_rgbd(root / "data/incoming/room", box_room(views=8, width=48, height=36, texture=9.0))
    return root


def environment(root: Path, **more: str) -> dict[str, str]:
    """Of a process that works in this project folder, one thread."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    own = {"CHORUS_ROOT": str(root), "CHORUS_PARAMS": str(root / "small.yaml"), "PYTHONPATH": path}
    return {**os.environ, **own, "OMP_NUM_THREADS": "1", "DAGSTER_HOME": "", "MLFLOW_TRACKING_URI": "", **more}
