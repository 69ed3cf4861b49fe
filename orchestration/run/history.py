"""What Dagster remembers: the instance under the state folder, its partitions, and which assets passed their checks."""

import functools
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from sqlalchemy import Engine, event

from chorus.store import Store, root_folder
from chorus.whole import alone
from orchestration.keys import key
from orchestration.partitions import scenes
from orchestration.run import sqlite
from orchestration.run.state import prepare_state

PASSED, FAILED = "SUCCEEDED", "FAILED"
VERSION = "dagster/data_version"  # the tag of a materialization that holds its content hash
# Capturing a run's output starts four processes a run, half of the time of a short one. Runs of the command line write
# to the terminal instead; those of the UI are captured, as the instance's own configuration says.
TO_THE_TERMINAL = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}


@functools.cache
def _instance(home: str) -> dg.DagsterInstance:
    event.listen(Engine, "connect", functools.partial(sqlite.without_sync, Path(home)))
    with alone(Path(home) / ".opening"):  # two that make the same tables at once fall over each other
        made = dg.DagsterInstance.from_ref(InstanceRef.from_dir(home, overrides=TO_THE_TERMINAL))
    sqlite.keep_open(made)
    return made


def instance() -> dg.DagsterInstance:
    """The instance of this workspace, created when absent."""
    return _instance(str(prepare_state(Store(root_folder()))))


@functools.cache
def repository() -> dg.RepositoryDefinition:
    from orchestration.definitions import defs

    return defs.get_repository_def()


def add_scenes(names: list[str]) -> None:
    """Make partitions of the scenes that are not one yet."""
    new = sorted(set(names) - set(instance().get_dynamic_partitions(scenes.name)))
    if new:
        instance().add_dynamic_partitions(scenes.name, new)


def materialized(asset: str) -> set[str | None]:
    """Scenes that Dagster has seen materialized; {None} for an asset without partitions."""
    if repository().asset_graph.get(key(asset)).is_partitioned:
        return set(instance().get_materialized_partitions(key(asset)))
    return {None} if instance().get_latest_materialization_event(key(asset)) else set()


def settled(asset: str) -> set[str | None]:
    """Of those, the ones whose blocking checks passed or only warned of what was materialized last. A check that
    another run has yet to make says nothing."""
    done, latest = materialized(asset), _latest(asset)
    for check in _blocking_checks(asset):
        last: dict[str | None, object] = {}
        for record in instance().event_log_storage.get_asset_check_execution_history(
            check, limit=20 * len(done) + 20
        ):  # newest first
            if record.status.value in (PASSED, FAILED):
                last.setdefault(record.partition, record)
        done &= {
            scene for scene, record in last.items() if _may_go_on(record) and _of(record, latest.get(scene), asset)
        }
    return done


def _latest(asset: str) -> dict[str | None, int]:
    """Scene -> storage id of its newest materialization; nothing for an asset without partitions."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    return dict(instance().event_log_storage.get_latest_storage_id_by_partition(key(asset), kind))


def _of(record, latest: int | None, asset: str) -> bool:
    """Whether a check was made of the newest materialization, or of one with the same content."""
    target = record.evaluation.target_materialization_data
    if target is None or latest is None or target.storage_id >= latest:
        return True
    asked = dg.AssetRecordsFilter(key(asset), storage_ids=[target.storage_id, latest])
    found = instance().fetch_materializations(asked, limit=2).records
    versions = {record.asset_materialization.tags.get(VERSION) for record in found}
    return len(found) == 2 and len(versions) == 1 and None not in versions


def _blocking_checks(asset: str) -> list[dg.AssetCheckKey]:
    graph = repository().asset_graph
    return [check for check in graph.asset_check_keys if check.asset_key == key(asset) and graph.get(check).blocking]


def _may_go_on(record) -> bool:
    return record.status.value == PASSED or record.evaluation.severity is dg.AssetCheckSeverity.WARN
