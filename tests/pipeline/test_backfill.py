"""A backfill asked for as the UI asks for it, on real servers: one run a batch, a result a scene.

CHORUS_BACKFILL: how many scenes the larger one is of (200).
"""

import json
import os
import shutil
import signal
import time

import pytest

from chorus.stages import CAPTURE, EMBEDDED, GAUSSIANS, PER_SCENE
from orchestration.defs.scenes.batch import MOST
from orchestration.keys import key
from orchestration.materialize import main
from orchestration.partitions import scenes
from orchestration.run import history
from tests.pipeline.processes import bearing, wait_until
from tests.pipeline.test_ui import Interfaces
from tests.pipeline.tiny import SCENE_IDS, lay_out

SCENES = int(os.environ.get("CHORUS_BACKFILL", "200"))
ASK = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
} }"""
GOOD = 12  # seeds from 0 whose few steps of fitting pass the check of likeness; of 200, 22 do not
STATE = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
    status assetBackfillData { assetBackfillStatuses { ... on AssetPartitionsStatusCounts {
        assetKey { path } numPartitionsTargeted numPartitionsMaterialized numPartitionsFailed
} } } } } }"""
RUNS = """query($id: String!) { runsOrError(filter: {tags: [{key: "dagster/backfill", value: $id}]}) {
    ... on Runs { results { runId status stepStats { stepKey status } } }
} }"""
PARTITIONS = """query($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
    assetPartitionStatuses { ... on DefaultPartitionStatuses { materializedPartitions failedPartitions } }
} } }"""


def backfill(interfaces: Interfaces, *stages: str, rooms: list[str]) -> tuple[str, list[dict], list[dict]]:
    """How it ended, what it counted, and its runs."""
    params = {"assetSelection": [{"path": stage.split("/")} for stage in stages], "partitionNames": rooms}
    asked = interfaces.ask(ASK, params=params)["launchPartitionBackfill"]
    assert asked["__typename"] == "LaunchBackfillSuccess", asked

    def state() -> dict:
        return interfaces.ask(STATE, id=asked["backfillId"])["partitionBackfillOrError"]

    wait_until(lambda: state()["status"] not in ("REQUESTED", "FAILING", "CANCELING"), seconds=400 + 30 * len(rooms))
    counted = state()["assetBackfillData"]["assetBackfillStatuses"]
    return state()["status"], counted, interfaces.ask(RUNS, id=asked["backfillId"])["runsOrError"]["results"]


def lay_out_tiny(workspace, monkeypatch) -> None:
    """The tiny home in place of the fixture's three scenes."""
    for path in ("params.yaml", "data"):
        target = workspace / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    lay_out(workspace)
    monkeypatch.setenv("CHORUS_PARAMS", str(workspace / "tiny.yaml"))


@pytest.mark.slow
def test_a_backfill_of_many_scenes(workspace, monkeypatch, record_property):
    """All four stages of each, one run a batch; and once more, when all is up to date: that is what a scene costs
    beside its work, of all processes together."""
    lay_out_tiny(workspace, monkeypatch)
    rooms = [f"room-{number:03d}" for number in range(SCENES)]
    lines = [f"  - {{id: {room}, home: Tiny, room: 0, seed: {n % GOOD}}}\n" for n, room in enumerate(rooms)]
    (workspace / "data" / "scenes.yaml").write_text("scenes:\n" + "".join(lines))
    assert main([EMBEDDED]) == 0
    history.add_scenes(rooms)
    interfaces, told = Interfaces(workspace), {"scenes": SCENES}
    try:
        for name in ("made", "up to date"):
            clock, worked = time.monotonic(), Processor(workspace)
            status, counted, runs = backfill(interfaces, *PER_SCENE, rooms=rooms)
            assert status == "COMPLETED_SUCCESS" and len(runs) == -(-SCENES // MOST)
            for line in counted:
                assert (line["numPartitionsMaterialized"], line["numPartitionsFailed"]) == (SCENES, 0)
            told |= {f"{name}, s": time.monotonic() - clock, f"{name}, CPU s a scene": worked.seconds() / SCENES}
        assert all(history.settled(stage) == set(rooms) for stage in PER_SCENE)
    finally:
        interfaces.process.send_signal(signal.SIGTERM)
        interfaces.process.wait(30)
    print(json.dumps(told))
    record_property("backfill", told)
    assert told["up to date, CPU s a scene"] <= 1.5 or SCENES < 2 * MOST  # the start of a run is shared by its scenes


class Processor:
    """Time on a processor, from now on, of all processes that bear a workspace, those included that ended and were
    waited for by one that is left."""

    def __init__(self, workspace):
        self._mark = f"CHORUS_ROOT={workspace}\0"
        self._before = self._total()

    def seconds(self) -> float:
        return self._total() - self._before

    def _total(self) -> float:
        total = 0
        for process in bearing(self._mark):
            try:
                words = open(f"/proc/{process}/stat").read().rpartition(")")[2].split()
            except OSError:
                continue
            total += sum(map(int, words[11:15]))  # own, and of children that were waited for
        return total / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_a_backfill_is_one_run_a_batch_and_a_bad_scene_fails_alone(workspace, monkeypatch):
    """Eight scenes, one of a home that is not there; then that one alone, once it is mended."""
    lay_out_tiny(workspace, monkeypatch)
    listed = workspace / "data" / "scenes.yaml"
    mended = listed.read_text() + "  - {id: bad, home: Tiny, room: 0, seed: 9}\n"
    listed.write_text(mended.replace("bad, home: Tiny", "bad, home: Nowhere"))
    rooms = sorted({*SCENE_IDS, "bad"})
    history.add_scenes(rooms)
    interfaces = Interfaces(workspace)
    try:
        status, counted, runs = backfill(interfaces, CAPTURE, GAUSSIANS, rooms=rooms)
        assert len(runs) == 1 and runs[0]["status"] == "FAILURE"
        assert status == "COMPLETED_FAILED"
        for line in counted:
            del line["assetKey"]
            assert line == {"numPartitionsTargeted": 8, "numPartitionsMaterialized": 7, "numPartitionsFailed": 1}
        for stage in (CAPTURE, GAUSSIANS):
            shown = interfaces.ask(PARTITIONS, key={"path": stage.split("/")})["assetNodeOrError"]
            found = shown["assetPartitionStatuses"]
            assert set(found["materializedPartitions"]) == SCENE_IDS and found["failedPartitions"] == ["bad"]
            assert history.settled(stage) == SCENE_IDS
        listed.write_text(mended)
        status, counted, runs = backfill(interfaces, CAPTURE, GAUSSIANS, rooms=["bad"])
        assert status == "COMPLETED_SUCCESS" and [run["status"] for run in runs] == ["SUCCESS"]
        assert history.settled(GAUSSIANS) == set(rooms)
        before = history.instance().get_latest_materialization_event(key(CAPTURE)).timestamp
        status, counted, runs = backfill(interfaces, CAPTURE, GAUSSIANS, rooms=rooms)
        assert status == "COMPLETED_SUCCESS" and len(runs) == 1
        assert history.instance().get_latest_materialization_event(key(CAPTURE)).timestamp > before
        assert set(history.instance().get_dynamic_partitions(scenes.name)) == set(rooms)
    finally:
        interfaces.process.send_signal(signal.SIGTERM)
        interfaces.process.wait(30)
