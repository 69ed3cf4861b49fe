"""The scene chain on a Ray cluster of two workers that share a database and a bucket, and no folder: the bytes are
those of one machine.

Needs PostgreSQL and pip install 'chorus-gs[cluster]' 'ray[default]' dagster-ray, which the environment of the tests
does not bring.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chorus.stages import EMBEDDED, PER_SCENE
from chorus.store import MANIFEST
from orchestration import bucket as shared
from orchestration import executor
from orchestration.run import state
from tests.pipeline.servers import bucket, free_port, postgres
from tests.pipeline.test_chain import environment, materialize
from tests.pipeline.tiny import lay_out

pytest.importorskip("dagster_postgres")
pytest.importorskip("dagster_ray")

SCENES = ("train-a", "test-a")
MEMORY = 80 * 2**20  # bytes of Ray's store of objects, of which nothing is used


@pytest.mark.slow
def test_two_workers_without_a_common_folder_make_the_bytes_of_one_machine(tmp_path, monkeypatch):
    laptop, desk, *workers = (tmp_path / name for name in ("laptop", "desk", "one", "two"))
    for folder in (laptop, desk, *workers):
        folder.mkdir()
        lay_out(folder)
    done = materialize(laptop, "--all", *SCENES)
    assert done.returncode == 0, done.stderr
    with postgres("dagster") as database, bucket("team"):
        monkeypatch.setenv(state.DEPLOY, "cluster")
        named = f"{database}/dagster".replace("://", "+psycopg2://")  # Dagster's own commands read it as it is
        monkeypatch.setenv(state.DATABASE, named)
        monkeypatch.setenv(shared.ADDRESS, "s3://team/chorus")
        with ray(*workers) as dashboard:
            monkeypatch.setenv(executor.EXECUTOR, "ray")
            monkeypatch.setenv("RAY_ADDRESS", dashboard)
            launch(desk, EMBEDDED)
            launch(desk, *PER_SCENE, scenes=SCENES)
    kept = {scene: {stage: made(laptop, stage, scene) for stage in PER_SCENE} for scene in SCENES}
    found = [{path.parent.name: path for path in (root / "data").rglob(MANIFEST)} for root in workers]
    assert all(found), "each of the two computed"
    assert not list((desk / "data").rglob(MANIFEST)), "and the desk did not"
    for scene in SCENES:
        for stage in PER_SCENE:
            by = [made(root, stage, scene) for root in workers]
            assert kept[scene][stage] in by and set(by) <= {kept[scene][stage], None}, (scene, stage)


def made(root: Path, stage: str, scene: str) -> str | None:
    """Content hash of an artifact in a folder."""
    path = root / "data" / stage.split("/")[1] / scene / MANIFEST
    return json.loads(path.read_text())["hash"] if path.is_file() else None


def launch(desk: Path, *stages: str, scenes: tuple[str, ...] = ()) -> None:
    """Runs as Dagster's own command launches them, all at once."""
    here = {**os.environ, **environment(desk), "DAGSTER_HOME": str(desk / ".state/dagster")}
    prepare = "from orchestration.run import history; history.add_scenes(['train-a', 'test-a'])"
    subprocess.run([sys.executable, "-c", prepare], env={**here, "DAGSTER_HOME": ""}, cwd=desk, check=True)
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "orchestration.definitions"]
    command += ["--select", " or ".join(f'key:"{stage}"' for stage in stages)]
    runs = [subprocess.Popen([*command, *only], env=here, cwd=desk) for only in partitions(scenes)]
    assert [run.wait(1800) for run in runs] == [0] * len(runs)


def partitions(scenes: tuple[str, ...]) -> list[list[str]]:
    return [["--partition", scene] for scene in scenes] or [[]]


@contextmanager
def ray(*folders: Path) -> Iterator[str]:
    """The address of the dashboard of a cluster with a node of one core for each of these folders, and a head that
    computes nothing."""
    from ray.cluster_utils import Cluster

    port = free_port()
    head = {"num_cpus": 0, "include_dashboard": True, "dashboard_host": "127.0.0.1", "dashboard_port": port}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        cluster = Cluster(initialize_head=True, head_node_args={**head, "object_store_memory": MEMORY})
    try:
        for folder in folders:
            cluster.add_node(num_cpus=1, object_store_memory=MEMORY, env_vars=environment(folder))  # waits for it
        yield f"http://127.0.0.1:{port}"
    finally:
        cluster.shutdown()
