"""What Dagster remembers: the instance under the state folder, its partitions, and which assets passed their checks."""

import functools
import sqlite3

import dagster as dg

from chorus.store import Store, root_folder
from orchestration.partitions import scenes
from orchestration.resources import prepare_state

PASSED, FAILED = "SUCCEEDED", "FAILED"


@functools.cache
def _instance(home: str) -> dg.DagsterInstance:
    from sqlalchemy import Engine, event

    if not event.contains(Engine, "connect", _without_sync):
        event.listen(Engine, "connect", _without_sync)
    return dg.DagsterInstance.from_config(home)


def _without_sync(connection, _) -> None:
    """No wait for the disk at each of a run's hundred commits: the history survives a killed process, if not a power
    cut."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous=OFF")


def instance() -> dg.DagsterInstance:
    """The instance of this workspace, created when absent."""
    return _instance(str(prepare_state(Store(root_folder()))))


@functools.cache
def repository() -> dg.RepositoryDefinition:
    from orchestration.definitions import defs

    return defs.get_repository_def()


def asset_key(asset: str) -> dg.AssetKey:
    return dg.AssetKey(asset.split("/"))


def add_scenes(names: list[str]) -> None:
    """Make partitions of the scenes that are not one yet."""
    new = sorted(set(names) - set(instance().get_dynamic_partitions(scenes.name)))
    if new:
        instance().add_dynamic_partitions(scenes.name, new)


def materialized(asset: str) -> set[str | None]:
    """Scenes that Dagster has seen materialized; {None} for an asset without partitions."""
    if repository().asset_graph.get(asset_key(asset)).is_partitioned:
        return set(instance().get_materialized_partitions(asset_key(asset)))
    return {None} if instance().get_latest_materialization_event(asset_key(asset)) else set()


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
    return [
        check for check in graph.asset_check_keys if check.asset_key == asset_key(asset) and graph.get(check).blocking
    ]


def _may_go_on(record) -> bool:
    if record.status.value == FAILED:
        return record.evaluation.severity is dg.AssetCheckSeverity.WARN
    return record.status.value == PASSED
