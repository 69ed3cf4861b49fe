"""A backfill asked for as the UI asks for it, on real servers: one run a batch, a result a scene."""

import shutil
import signal

import pytest

from chorus.stages import CAPTURE, GAUSSIANS
from orchestration.keys import key
from orchestration.partitions import scenes
from orchestration.run import history
from tests.pipeline.processes import wait_until
from tests.pipeline.test_ui import Interfaces
from tests.pipeline.tiny import SCENE_IDS, lay_out

ASK = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
} }"""
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

    wait_until(lambda: state()["status"] not in ("REQUESTED", "FAILING", "CANCELING"), seconds=400)
    counted = state()["assetBackfillData"]["assetBackfillStatuses"]
    return state()["status"], counted, interfaces.ask(RUNS, id=asked["backfillId"])["runsOrError"]["results"]


@pytest.mark.slow
def test_a_backfill_is_one_run_a_batch_and_a_bad_scene_fails_alone(workspace, monkeypatch):
    """Eight scenes, one of a home that is not there; then that one alone, once it is mended."""
    for path in ("params.yaml", "data"):
        target = workspace / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    lay_out(workspace)
    listed = workspace / "data" / "scenes.yaml"
    mended = listed.read_text() + "  - {id: bad, home: Tiny, room: 0, seed: 9}\n"
    listed.write_text(mended.replace("bad, home: Tiny", "bad, home: Nowhere"))
    monkeypatch.setenv("CHORUS_PARAMS", str(workspace / "tiny.yaml"))
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
