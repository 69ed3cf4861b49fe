"""Instance configurations and executors, chosen by name; what is not there is refused in a line."""

import dagster as dg
import pytest
import yaml

from chorus.errors import InputError, MissingError
from chorus.store import Store
from orchestration import executor
from orchestration.run import state
from orchestration.run.pools import limits

NAMES = ("laptop", "gpu-box", "cluster")
POSTGRES = "postgresql://a:b@127.0.0.1:1/dagster"


@pytest.fixture
def store(workspace, monkeypatch):
    for name in (state.DEPLOY, state.DATABASE, executor.EXECUTOR):
        monkeypatch.delenv(name, raising=False)
    return Store(workspace)


@pytest.mark.parametrize("name", NAMES)
def test_every_configuration_is_one_that_dagster_takes(store, monkeypatch, name):
    from dagster._core.instance.config import dagster_instance_config

    monkeypatch.setenv(state.DEPLOY, name)
    monkeypatch.setenv(state.DATABASE, POSTGRES)
    home = state.prepare_state(store)
    config, _ = dagster_instance_config(str(home))
    assert config["concurrency"]["pools"]["granularity"] == "run" and state.deployed() == name
    assert config["telemetry"] == {"enabled": False}
    assert ("postgres" in config.get("storage", {})) == (name == "cluster")
    assert set(limits(name)) == {"cpu", "gpu"}


def test_a_configuration_that_is_there_stays_until_another_is_named(store, monkeypatch):
    home = state.prepare_state(store)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    state.prepare_state(store)
    assert (home / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
    monkeypatch.setenv(state.DEPLOY, "gpu-box")
    state.prepare_state(store)
    assert yaml.safe_load((home / "dagster.yaml").read_text())["concurrency"]["runs"]["max_concurrent_runs"] == 8
    own = store.root / "own.yaml"
    own.write_text("telemetry: {enabled: true}\n")
    monkeypatch.setenv(state.DEPLOY, str(own))
    state.prepare_state(store)
    assert (home / "dagster.yaml").read_text() == own.read_text() and limits("own") == {}


@pytest.mark.parametrize("name", ["nowhere", "pools", "helm-values"])
def test_what_is_no_configuration_is_refused(store, monkeypatch, name):
    monkeypatch.setenv(state.DEPLOY, name)
    with pytest.raises(InputError, match="CHORUS_DEPLOY: expected cluster, gpu-box, laptop, or a file, got"):
        state.prepare_state(store)


def test_a_cluster_needs_a_database(store, monkeypatch):
    monkeypatch.setenv(state.DEPLOY, "cluster")
    with pytest.raises(InputError, match="CHORUS_DATABASE: expected a postgresql:// address"):
        state.prepare_state(store)


def test_executors_by_name(monkeypatch, store):
    assert executor.chosen() is dg.in_process_executor
    monkeypatch.setenv(executor.EXECUTOR, "multiprocess")
    assert executor.chosen() is dg.multiprocess_executor
    monkeypatch.setenv(executor.EXECUTOR, "multiproces")
    with pytest.raises(InputError, match="Did you mean 'multiprocess'"):
        executor.chosen()


@pytest.mark.parametrize("name", ["ray", "k8s"])
def test_an_executor_whose_package_is_not_installed_is_refused(monkeypatch, store, name):
    monkeypatch.setenv(executor.EXECUTOR, name)
    monkeypatch.setitem(__import__("sys").modules, f"dagster_{name}", None)
    with pytest.raises(MissingError, match=f"pip install dagster-{name}"):
        executor.chosen()


def test_pools_are_as_the_configuration_says(store):
    from orchestration.run import history, pools

    pools.set_limits(history.instance())
    found = {one.name: one.limit for one in history.instance().event_log_storage.get_pool_limits()}
    assert found == {"cpu": 2, "gpu": 2}
