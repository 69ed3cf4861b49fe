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
CHECKED = """\
capture: {rgbd_long_side: 48, max_views: 12}
fit: {max_gaussians_real: 2000, iterations_real: 150}
"""
SECRETS = {
    **{
        name: f"confidential-{number}-{name.lower()}"
        for number, name in enumerate(
            ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HF_TOKEN", "CHORUS_TOKEN", "MLFLOW_TRACKING_PASSWORD"]
            + ["PGPASSWORD", "GITHUB_TOKEN"]
        )
    },
    "CHORUS_WEBHOOK": "http://127.0.0.1:9/hook?key=confidential-of-the-hook",
}


@pytest.fixture(scope="session")
def disk(tmp_path_factory) -> Path:
    """The library to preload: see disk.c."""
    return built(Path(__file__).with_name("disk.c"), tmp_path_factory.mktemp("disk"))


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Chain:
    """The tiny chain, run to its end with secrets in its environment: to be copied and looked at, not to be changed."""
    chain = Chain(tmp_path_factory.mktemp("finished"), **SECRETS)
    chain.finish()
    return chain


def lay_out(root: Path, *, checked: bool = False) -> Path:
    """A project folder with one dropped RGB-D room, whose capture and fit take a second. checked: one that passes
    Dagster's checks."""
    (root / "data/incoming").mkdir(parents=True)
    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
    (root / "small.yaml").write_text(CHECKED if checked else SMALL)
    views, texture = (12, 3.0) if checked else (8, 9.0)
    write_rgbd(root / "data/incoming/room", box_room(views=views, width=48, height=36, texture=texture))
    return root


def environment(root: Path, **more: str) -> dict[str, str]:
    """Of a process that works in this project folder, one thread."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    own = {"CHORUS_ROOT": str(root), "CHORUS_PARAMS": str(root / "small.yaml"), "PYTHONPATH": path}
    return {**os.environ, **own, "OMP_NUM_THREADS": "1", "DAGSTER_HOME": "", "MLFLOW_TRACKING_URI": "", **more}
