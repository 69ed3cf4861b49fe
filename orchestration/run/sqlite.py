"""Dagster's SQLite files, kept open: it opens and closes one for each of a run's hundred events, and lays out the
tables of every run's own file by migrations, together half of the time of a short run."""

import contextlib
import functools
import os
import sqlite3
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from sqlalchemy import Connection, Engine, NullPool, create_engine

PATIENT = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}  # where another process writes
KEPT = 4  # files of runs that stay open: those last written to


def keep_open(instance: dg.DagsterInstance) -> None:
    """Let an instance whose storages are SQLite files keep them open; others are left as they are."""
    if type(instance.event_log_storage) is SqliteEventLogStorage:
        _keep_events(instance.event_log_storage)
    if type(instance.run_storage) is SqliteRunStorage:
        _keep_runs(instance.run_storage)


def without_sync(home: Path, connection, _) -> None:
    """No wait for the disk at each of a run's hundred commits to Dagster's history, which survives a killed process, if
    not a power cut. Other databases of the process, MLflow's registry first, keep what SQLite promises."""
    if isinstance(connection, sqlite3.Connection):
        files = [row[2] for row in connection.execute("PRAGMA database_list")]
        if all(file and Path(file).is_relative_to(home) for file in files):
            connection.execute("PRAGMA synchronous=OFF")


def _keep_events(storage: SqliteEventLogStorage) -> None:
    engines: OrderedDict[str, Engine] = OrderedDict()

    @contextlib.contextmanager
    def connect(shard: str) -> Iterator[Connection]:
        with storage._db_lock:
            engine = engines.pop(shard, None) or _engine(storage.conn_string_for_shard(shard))
            engines[shard] = engine
            if len(engines) > KEPT:
                engines.popitem(last=False)[1].dispose()
            if shard not in storage._initialized_dbs:
                _lay_out(storage, Path(storage.path_for_shard(shard)), engine)
                storage._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    storage._connect = connect


def _keep_runs(storage: SqliteRunStorage) -> None:
    engine = _engine(storage._conn_string)

    @contextlib.contextmanager
    def connect() -> Iterator[Connection]:
        with engine.connect() as connection, connection.begin():
            yield connection

    storage.connect = connect


def _engine(address: str) -> Engine:
    return create_engine(address, connect_args=PATIENT)


def _lay_out(storage: SqliteEventLogStorage, file: Path, engine: Engine) -> None:
    """The tables of a file: of one that is new, as they were laid out before in this process."""
    if file.exists() or not _copied(_empty(storage), file):
        storage._initdb(engine)


def _copied(content: bytes, file: Path) -> bool:
    """Whether this process made the file, whole from the first moment on."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, prefix=f".{file.name}.") as made:
        made.write(content)
        made.flush()
        try:
            os.link(made.name, file)
        except OSError:  # another process was first, or the file system knows no links
            return False
    return True


@functools.cache
def _empty(storage: SqliteEventLogStorage) -> bytes:
    """A file with all tables and nothing in them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
        storage._initdb(engine)
        engine.dispose()
        return path.read_bytes()
