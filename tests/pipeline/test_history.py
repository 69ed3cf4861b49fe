"""Dagster's records: quick where they may be lost, safe where they may not."""

import sqlalchemy

from orchestration.run import history
from orchestration.tracking import trainings


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
