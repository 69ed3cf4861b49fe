"""Many scenes in one run: each has its own result, a bad one stops no other, and Dagster knows which failed."""

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from chorus.errors import InputError
from chorus.stages import CAPTURE, GAUSSIANS
from orchestration import workspace as resources
from orchestration.defs.failures.sensors import about
from orchestration.keys import key
from orchestration.materialize import main
from orchestration.run import history
from tests.pipeline import fakes
from tests.pipeline.test_failures import Away, failed_run

ROOMS = ["room-a", "room-b", "room-c"]


def batch(*stages: str, rooms: list[str] = ROOMS, **tags: str) -> dg.ExecuteInProcessResult:
    """A run of all rooms, as a backfill asks for it."""
    history.add_scenes(ROOMS)
    keys = [key(stage) for stage in stages]
    job = history.repository().get_implicit_job_def_for_assets(keys)
    span = {ASSET_PARTITION_RANGE_START_TAG: rooms[0], ASSET_PARTITION_RANGE_END_TAG: rooms[-1]}
    return job.execute_in_process(
        instance=history.instance(), asset_selection=keys, tags={**span, **tags}, raise_on_error=False
    )


def record(stage: str, room: str):
    wanted = dg.AssetRecordsFilter(asset_key=key(stage), asset_partitions=[room])
    return history.instance().fetch_materializations(wanted, limit=1).records[0].asset_materialization


def statuses(stage: str) -> dict[str, str]:
    """Room -> how the asset's page shows its partition."""
    from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

    definition = history.repository().asset_graph.get(key(stage)).partitions_def
    instance = history.instance()
    value = get_and_update_asset_status_cache_value(instance, key(stage), definition)
    made = set(value.deserialize_materialized_partition_subsets(definition).get_partition_keys())
    failed = set(value.deserialize_failed_partition_subsets(definition).get_partition_keys())
    return {room: "failed" if room in failed else "made" if room in made else "missing" for room in ROOMS}


def test_every_room_has_its_own_result_and_checks(workspace, monkeypatch):
    fakes.install(monkeypatch, psnr={"room-a": 21.0, "room-b": 22.0, "room-c": 23.0})
    assert batch(CAPTURE, GAUSSIANS).success
    assert fakes.CALLS == [(stage, room) for room in ROOMS for stage in (CAPTURE, GAUSSIANS)]
    shown = [record(GAUSSIANS, room).metadata["psnr_blind_heldout"].value for room in ROOMS]
    assert shown == [21.0, 22.0, 23.0]
    assert record(GAUSSIANS, "room-a").metadata["path"].value == "data/gaussians/room-a"
    assert len({record(GAUSSIANS, room).tags["dagster/data_version"] for room in ROOMS}) == 3
    assert history.settled(CAPTURE) == history.settled(GAUSSIANS) == set(ROOMS)
    assert statuses(CAPTURE) == statuses(GAUSSIANS) == dict.fromkeys(ROOMS, "made")
    assert main(["--all", *ROOMS, "--jobs", "1"]) == 0 and len(fakes.CALLS) == 7  # but for the teachers, nothing to do


def test_a_room_is_recorded_as_a_run_of_its_own_records_it(workspace, monkeypatch):
    fakes.install(monkeypatch)
    assert batch(CAPTURE, GAUSSIANS).success
    ours = {(stage, room): record(stage, room) for stage in (CAPTURE, GAUSSIANS) for room in ROOMS}
    assert main(["scenes/capture", *ROOMS, "--force", "--jobs", "1"]) == 0
    assert main(["scenes/gaussians", *ROOMS, "--force", "--jobs", "1"]) == 0
    for (stage, room), mine in ours.items():
        theirs = record(stage, room)
        same = {name for name in theirs.tags if "event_pointer" not in name}
        assert {name: mine.tags[name] for name in same} == {name: theirs.tags[name] for name in same}, (stage, room)
        assert set(mine.tags) == set(theirs.tags) and set(mine.metadata) == set(theirs.metadata)


def test_what_a_batch_made_is_known_to_be_fresh_and_then_stale(workspace, monkeypatch):
    fakes.install(monkeypatch)
    assert batch(CAPTURE, GAUSSIANS).success

    def fresh() -> list[str]:
        instance = history.instance()
        resolver = CachingStaleStatusResolver(
            instance, history.repository().asset_graph, LoadingContextForTest(instance)
        )
        found = {room: resolver.get_status(key(GAUSSIANS), room) for room in ROOMS}
        return [room for room, status in found.items() if status is StaleStatus.FRESH]

    assert fresh() == ROOMS
    changed = dg.AssetMaterialization(key(CAPTURE), partition="room-b", tags={"dagster/data_version": "another"})
    history.instance().report_runless_asset_event(changed)
    assert fresh() == ["room-a", "room-c"]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        pytest.param(fakes.no_such_home(), "home.xml: expected a home, got nothing. Fetch it.", marks=pytest.mark.slow),
        (ZeroDivisionError("by\nzero"), "ZeroDivisionError: by zero"),
    ],
)
def test_a_bad_room_stops_no_other_and_fails_alone(workspace, monkeypatch, broken, reason):
    fakes.install(monkeypatch, broken={"room-b": broken})
    result = batch(CAPTURE, GAUSSIANS)
    assert not result.success
    assert statuses(CAPTURE) == statuses(GAUSSIANS) == {"room-a": "made", "room-b": "failed", "room-c": "made"}
    said = about(failed_run())
    assert said["reason"] == f"1 of 3 scenes failed: room-b: scenes/capture: {reason}"
    assert said["scene"] == "room-a to room-c"
    fakes.install(monkeypatch)
    assert batch(CAPTURE, GAUSSIANS).success
    assert fakes.CALLS == [(CAPTURE, "room-b"), (GAUSSIANS, "room-b")]
    assert statuses(GAUSSIANS) == dict.fromkeys(ROOMS, "made")


def test_a_failed_check_stops_its_own_room_alone(workspace, monkeypatch):
    fakes.install(monkeypatch, psnr={"room-b": 3.0})
    result = batch(CAPTURE, GAUSSIANS)
    assert not result.success
    said = about(failed_run())["reason"]
    assert "room-b: scenes/gaussians: check likeness failed: expected psnr_blind_heldout at least 18, got 3" in said
    assert history.settled(GAUSSIANS) == {"room-a", "room-c"} and history.settled(CAPTURE) == set(ROOMS)


@pytest.mark.slow
def test_stages_apart_and_part_of_the_rooms(workspace, monkeypatch):
    fakes.install(monkeypatch)
    assert batch(CAPTURE).success and batch(GAUSSIANS, rooms=["room-b", "room-c"]).success
    assert statuses(GAUSSIANS) == {"room-a": "missing", "room-b": "made", "room-c": "made"}
    batch(GAUSSIANS, **{resources.FORCE: "true"})
    assert fakes.CALLS.count((GAUSSIANS, "room-b")) == 2


def test_what_is_transient_is_waited_for_within_the_batch(workspace, monkeypatch):
    fakes.install(monkeypatch)
    away = Away(monkeypatch, ConnectionResetError("reset"), times=2)
    assert batch(CAPTURE).success and away.left == 0
    assert fakes.CALLS == [(CAPTURE, room) for room in ROOMS]
    away = Away(monkeypatch, InputError("x", expected="a", got="b"), times=1)
    assert not batch(CAPTURE).success and away.left == 0
