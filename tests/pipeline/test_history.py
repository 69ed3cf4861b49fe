"""Dagster's records: quick where they may be lost, safe where they may not."""

import os
import sqlite3
from pathlib import Path

import dagster as dg
import sqlalchemy
from dagster._core.storage.event_log import SqliteEventLogStorage

from chorus.stages import CAPTURE
from orchestration.keys import key
from orchestration.materialize import main
from orchestration.run import history, sqlite
from orchestration.tracking import trainings
from tests.pipeline import fakes
from tests.pipeline.processes import failing_at_once


def synchronous(address: str) -> int:
    """0: SQLite does not wait for the disk."""
    with sqlalchemy.create_engine(address).connect() as connection:
        return connection.exec_driver_sql("PRAGMA synchronous").scalar()


def test_only_dagsters_own_history_does_not_wait_for_the_disk(workspace):
    history.instance()
    assert synchronous(f"sqlite:///{workspace / '.state' / 'dagster' / 'history' / 'runs.db'}") == 0
    store = history.Store(workspace)
    trainings.client(store)
    assert trainings.uri(store).startswith("sqlite") and synchronous(trainings.uri(store)) == 2
    assert synchronous("sqlite://") == 2


def test_an_instance_configuration_that_is_there_stays(workspace):
    home = workspace / ".state" / "dagster"
    home.mkdir(parents=True)
    text = "telemetry: {enabled: false}\nconcurrency: {runs: {max_concurrent_runs: 7}}\n"
    (home / "dagster.yaml").write_text(text)
    instance = history.instance()
    assert (home / "dagster.yaml").read_text() == text
    assert instance.get_settings("concurrency")["runs"]["max_concurrent_runs"] == 7


def opened_at_once(home) -> int:
    """How many of four processes fail to open an instance that nobody has opened before."""
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    return failing_at_once(lambda: history._instance.__wrapped__(str(home)))


def test_terminals_that_open_a_fresh_workspace_at_once_do_not_fall_over_each_other(tmp_path):
    assert [opened_at_once(tmp_path / str(turn)) for turn in range(5)] == [0] * 5


def test_a_run_that_has_yet_to_check_takes_nothing_back(workspace, monkeypatch):
    """Another run is queued for the scene, or has just begun on it: what was checked before stays checked."""
    fakes.install(monkeypatch)
    assert main([CAPTURE, "room-a", "room-b", "--jobs", "1"]) == 0
    job, tags = history.repository().get_implicit_job_def_for_assets([key(CAPTURE)]), {"dagster/partition": "room-a"}
    run = history.instance().create_run_for_job(job, tags=tags, asset_selection={key(CAPTURE)})
    ask = history.instance().event_log_storage.get_asset_check_execution_history
    planned = [ask(check, limit=1)[0] for check in history._blocking_checks(CAPTURE)]
    assert {(one.status.value, one.partition, one.run_id) for one in planned} == {("PLANNED", "room-a", run.run_id)}
    assert history.settled(CAPTURE) == {"room-a", "room-b"}


def test_what_was_materialized_anew_and_not_checked_is_not_settled(workspace, monkeypatch):
    fakes.install(monkeypatch)
    assert main([CAPTURE, "room-a", "room-b", "--jobs", "1"]) == 0
    of_the_room = dg.AssetRecordsFilter(key(CAPTURE), ["room-a"])
    (last,) = history.instance().fetch_materializations(of_the_room, limit=1).records
    known = last.asset_materialization.tags[history.VERSION]

    def report(version: str) -> None:
        made = dg.AssetMaterialization(key(CAPTURE), partition="room-a", tags={history.VERSION: version})
        history.instance().report_runless_asset_event(made)

    report("of another content")
    assert history.settled(CAPTURE) == {"room-b"}
    report(known)  # as a run reports that finds it up to date
    assert history.settled(CAPTURE) == {"room-a", "room-b"}
    assert main([CAPTURE, "room-a", "--jobs", "1", "--force"]) == 0
    assert history.settled(CAPTURE) == {"room-a", "room-b"}


def tables(file) -> list[tuple]:
    with sqlite3.connect(file) as connection:
        return sorted(connection.execute("SELECT name, sql FROM sqlite_master")), list(
            connection.execute("SELECT * FROM alembic_version")
        )


def test_a_runs_own_file_has_the_tables_that_dagster_gives_it(workspace, tmp_path):
    """Of the first run of a process, of the second, and of Dagster alone."""
    instance = history.instance()
    storage = instance.event_log_storage
    for run in ("one", "two"):
        with storage.run_connection(run) as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    plain = SqliteEventLogStorage(str(tmp_path / "plain"))
    with plain.run_connection("one"):
        pass
    expected = tables(plain.path_for_shard("one"))
    assert expected[0] and expected[1]
    assert all(tables(storage.path_for_shard(run)) == expected for run in ("one", "two"))
    assert not list((workspace / ".state").rglob(".*.db.*"))


def test_files_of_many_runs_do_not_stay_open(workspace):
    storage = history.instance().event_log_storage
    for number in range(3 * sqlite.KEPT):
        with storage.run_connection(f"run-{number}"):
            pass
    opened = {os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink() and path.exists()}
    ours = {Path(file).name for file in opened if file.endswith(".db") and "run-" in file}
    assert 0 < len(ours) <= sqlite.KEPT
    with storage.run_connection("run-0") as connection:  # and may be opened again
        assert connection.exec_driver_sql("SELECT count(*) FROM event_logs").scalar() == 0
