"""Instance configurations and executors, chosen by name; what is not there is refused in a line."""

import json
import re
import tomllib
from pathlib import Path

import dagster as dg
import pytest
import yaml

from chorus.errors import InputError, MissingError
from chorus.store import Store
from orchestration import executor
from orchestration.run import state
from orchestration.run.pools import limits

ROOT = Path(__file__).parents[2]
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


def instructions() -> list[tuple[str, str]]:
    """Of the Dockerfile: (name, what follows), lines that go on joined."""
    text = (state.CONFIGURATIONS / "Dockerfile").read_text()
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in text.splitlines() if not line.startswith("#")))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def test_the_image_is_made_of_what_there_is():
    """What can be seen of a Dockerfile without docker: no build was run."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = instructions()
    assert {name for name, _ in found} <= {"FROM", "ARG", "RUN", "WORKDIR", "COPY", "ENV", "USER", "EXPOSE", "CMD"}
    for name, said in found:
        if name == "COPY" and "--from" not in said:
            *sources, _ = [part for part in said.split() if not part.startswith("--")]
            assert all((ROOT / source).exists() for source in sources), said
        if name == "FROM":
            assert ":" in said and ":latest" not in said, "a version that does not move"
        if "apt-get install" in said:
            assert "--no-install-recommends" in said and "rm -rf /var/lib/apt/lists/*" in said
    extras = {word for _, said in found if "EXTRAS=" in said for word in said.partition("=")[2].split(",")}
    assert extras <= set(project["optional-dependencies"])
    assert [said for name, said in found if name == "USER"] == ["chorus"], "not root"
    assert json.loads(found[-1][1])[-1] == state.CODE_LOCATION


def test_values_for_the_chart_name_the_image_and_the_code(monkeypatch):
    """What can be seen of them without a cluster: the chart was not rendered."""
    values = yaml.safe_load((state.CONFIGURATIONS / "helm-values.yaml").read_text())
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert deployment["dagsterApiGrpcArgs"] == ["-m", state.CODE_LOCATION]
    assert str(deployment["port"]) in dict(instructions())["EXPOSE"]
    monkeypatch.setenv(executor.EXECUTOR, {one["name"]: one["value"] for one in deployment["env"]}[executor.EXECUTOR])
    assert executor.chosen()
    cluster = yaml.safe_load((state.CONFIGURATIONS / "cluster.yaml").read_text())
    daemon = values["dagsterDaemon"]
    assert daemon["runCoordinator"]["enabled"] and "config" not in daemon["runCoordinator"]
    assert daemon["runRetries"]["maxRetries"] == cluster["run_retries"]["max_retries"]
    assert values["postgresql"]["enabled"] is False and values["telemetry"]["enabled"] is False


def rendered() -> dict:
    """The instance configuration that the chart makes of the values: camelCase becomes the words of dagster.yaml."""
    values = yaml.safe_load((state.CONFIGURATIONS / "helm-values.yaml").read_text())
    daemon = values["dagsterDaemon"]
    assert values["runLauncher"]["type"] == "K8sRunLauncher" and daemon["runCoordinator"]["type"].startswith("Queued")
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    kept = {"run_k8s_config": {"container_config": launcher["runK8sConfig"]["containerConfig"]}}
    return {
        "run_launcher": {
            "module": "dagster_k8s",
            "class": "K8sRunLauncher",
            "config": {
                "service_account_name": "dagster",
                "dagster_home": "/dagster",
                "instance_config_map": "dagster-instance",
                "postgres_password_secret": values["global"]["postgresqlSecretName"],
                "image_pull_policy": launcher["imagePullPolicy"],
                **kept,
            },
        },
        "run_coordinator": {"module": "dagster", "class": "QueuedRunCoordinator"},
        "run_monitoring": snake(daemon["runMonitoring"]),
        "run_retries": snake(daemon["runRetries"]),
        "telemetry": values["telemetry"],
        **values["additionalInstanceConfig"],
    }


def snake(said: dict) -> dict:
    return {re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", key): value for key, value in said.items()}


def test_what_the_chart_makes_of_the_values_is_a_configuration_that_dagster_takes(tmp_path):
    from dagster._core.instance.config import dagster_instance_config

    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(rendered()))
    config, _ = dagster_instance_config(str(tmp_path))
    cluster = yaml.safe_load((state.CONFIGURATIONS / "cluster.yaml").read_text())
    assert config["concurrency"] == cluster["concurrency"]
    assert config["run_retries"]["max_retries"] == cluster["run_retries"]["max_retries"]
    assert config["run_monitoring"]["start_timeout_seconds"] == cluster["run_monitoring"]["start_timeout_seconds"]


def test_the_launcher_of_pods_takes_its_configuration():
    """Where dagster-k8s is installed: its schema alone, for there is no cluster to launch in."""
    kubernetes = pytest.importorskip("dagster_k8s")
    said = rendered()["run_launcher"]["config"]
    from dagster._config import validate_config

    result = validate_config(kubernetes.K8sRunLauncher.config_type(), said)
    assert result.success, result.errors
