"""What Dagster remembers: the instance under the state folder, its partitions, and which assets passed their checks."""

import contextlib
import functools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from chorus.store import Store, root_folder
from chorus.whole import alone
from orchestration.keys import key
from orchestration.partitions import scenes
from orchestration.run.state import prepare_state

PASSED, FAILED = "SUCCEEDED", "FAILED"
PATIENT = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}  # where another process writes
VERSION = "dagster/data_version"  # the tag of a materialization that holds its content hash
# Capturing a run's output starts four processes a run, half of the time of a short one. Runs of the command line write
# to the terminal instead; those of the UI are captured, as the instance's own configuration says.
TO_THE_TERMINAL = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}


@functools.cache
def _instance(home: str) -> dg.DagsterInstance:
    event.listen(Engine, "connect", functools.partial(_without_sync, Path(home)))
    with alone(Path(home) / ".opening"):  # two that make the same tables at once fall over each other
        made = dg.DagsterInstance.from_ref(InstanceRef.from_dir(home, overrides=TO_THE_TERMINAL))
    if type(made.event_log_storage) is SqliteEventLogStorage:
        _keep_engines(made.event_log_storage)
    return made


def _keep_engines(storage: SqliteEventLogStorage) -> None:
    """Dagster makes an engine for each of a run's hundred events and throws it away, a quarter of the time of a short
    run: here one is kept for each of the files last written to. Connections are opened and closed as ever."""
    engines = functools.lru_cache(4)(functools.partial(create_engine, poolclass=NullPool, connect_args=PATIENT))

    @contextlib.contextmanager
    def connect(shard: str) -> Iterator[Connection]:
        with storage._db_lock:
            engine = engines(storage.conn_string_for_shard(shard))
            if shard not in storage._initialized_dbs:
                storage._initdb(engine)
                storage._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    storage._connect = connect


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
