"""Dagster's records: quick where they may be lost, safe where they may not."""

import multiprocessing

import dagster as dg
import sqlalchemy

from chorus.stages import CAPTURE
from orchestration.keys import key
from orchestration.materialize import main
from orchestration.run import history
from orchestration.tracking import trainings
from tests.pipeline import fakes


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
    context = multiprocessing.get_context("fork")  # importing Dagster four times would take the test's time
    start, failed = context.Barrier(4), context.Value("i", 0)

    def open_it() -> None:
        start.wait(60)
        try:
            history._instance.__wrapped__(str(home))
        except BaseException:
            with failed.get_lock():
                failed.value += 1

    processes = [context.Process(target=open_it) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    return failed.value


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
