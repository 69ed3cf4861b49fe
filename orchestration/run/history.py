"""What Dagster remembers: the instance under the state folder, its partitions, and which assets passed their checks."""

import functools
import sqlite3
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef

from chorus.store import Store, root_folder
from orchestration.keys import key
from orchestration.partitions import scenes
from orchestration.run.state import prepare_state

PASSED, FAILED = "SUCCEEDED", "FAILED"
# Capturing a run's output starts four processes a run, half of the time of a short one. Runs of the command line write
# to the terminal instead; those of the UI are captured, as the instance's own configuration says.
TO_THE_TERMINAL = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}


@functools.cache
def _instance(home: str) -> dg.DagsterInstance:
    from sqlalchemy import Engine, event

    event.listen(Engine, "connect", functools.partial(_without_sync, Path(home)))
    return dg.DagsterInstance.from_ref(InstanceRef.from_dir(home, overrides=TO_THE_TERMINAL))


def _without_sync(home: Path, connection, _) -> None:
    """No wait for the disk at each of a run's hundred commits to Dagster's history, which survives a killed process, if
    not a power cut. Other databases of the process, MLflow's registry first, keep what SQLite promises."""
    if isinstance(connection, sqlite3.Connection):
        files = [row[2] for row in connection.execute("PRAGMA database_list")]
        if all(file and Path(file).is_relative_to(home) for file in files):
            connection.execute("PRAGMA synchronous=OFF")


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
    """Of those, the ones whose blocking checks last passed or only warned."""
    done = materialized(asset)
    for check in _blocking_checks(asset):
        latest: dict[str | None, bool] = {}
        for record in instance().event_log_storage.get_asset_check_execution_history(
            check, limit=20 * len(done) + 20
        ):  # newest first
            latest.setdefault(record.partition, _may_go_on(record))
        done &= {scene for scene, passed in latest.items() if passed}
    return done


def _blocking_checks(asset: str) -> list[dg.AssetCheckKey]:
    graph = repository().asset_graph
    return [check for check in graph.asset_check_keys if check.asset_key == key(asset) and graph.get(check).blocking]


def _may_go_on(record) -> bool:
    if record.status.value == FAILED:
        return record.evaluation.severity is dg.AssetCheckSeverity.WARN
    return record.status.value == PASSED
