"""MLflow: one run a training, found again by the content hash of what it made. The package is imported inside
functions."""

import functools
import logging
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from chorus.params import Params
from chorus.store import Store, hash_file, plain
from chorus.train.curves import CURVES, read_curves
from chorus.whole import alone
from orchestration.tracking import lineage
from orchestration.tracking.rerooted import reroot

EXPERIMENT, MODEL = "chorus", "chorus_encoder"
SHOWN = "CHORUS_MLFLOW_UI"  # of the environment: where the UI that goes with this process shows MLflow
BATCH = 1000  # metrics MLflow takes in one call


def uri(store: Store) -> str:
    """MLFLOW_TRACKING_URI (a server or a database), else a database under the state folder."""
    return with_driver(os.environ.get("MLFLOW_TRACKING_URI", "")) or _own(store.history / "mlflow")


def _own(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def at_home(tracking_uri: str, folder: Path) -> None:
    """Where the database is the workspace's own: what it says of where its files lie is put right after a move."""
    if tracking_uri == _own(folder):
        reroot(folder, EXPERIMENT)


def with_driver(address: str) -> str:
    """A postgresql:// address with the driver that is installed, which SQLAlchemy would not choose by itself."""
    scheme, found, rest = address.partition("://")
    return f"postgresql+psycopg2://{rest}" if found and scheme in ("postgresql", "postgres") else address


def files(store: Store) -> str:
    """Where the files of runs and models lie: MLFLOW_DEFAULT_ARTIFACT_ROOT (a bucket), else under the state folder."""
    return os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT") or (store.history / "mlflow" / "artifacts").as_uri()


def server() -> str | None:
    """The address of the MLflow server that runs are told to; None where a database is written to directly."""
    said = os.environ.get("MLFLOW_TRACKING_URI", "")
    return said.rstrip("/") if said.startswith(("http://", "https://")) else None


def shown_at() -> str:
    """Where a person sees MLflow: the server's address, or that of the UI which ``make ui`` starts."""
    return server() or os.environ.get(SHOWN) or "http://127.0.0.1:5000"


def _speak_to(tracking_uri: str) -> None:
    """Set MLflow's address for this process. MLflow also writes it into the environment, from where another workspace
    would take it for the user's."""
    import mlflow

    said = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(tracking_uri)
    if said is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    else:
        os.environ["MLFLOW_TRACKING_URI"] = said


@functools.cache
def _client(tracking_uri: str, folder: Path, location: str | None):
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    at_home(tracking_uri, folder)
    _speak_to(tracking_uri)
    with alone(folder / ".opening"):  # two that make the same tables at once fall over each other
        client = mlflow.MlflowClient()
        if client.get_experiment_by_name(EXPERIMENT) is None:
            client.create_experiment(EXPERIMENT, artifact_location=location)
    return client


def client(store: Store):
    """The client of this workspace's MLflow, its experiment created when absent."""
    return _client(uri(store), store.history / "mlflow", None if server() else files(store))  # a server has its own


def find_run(store: Store, *, name: str, content: str) -> str | None:
    """Id of the run that logged this model with this content hash."""
    found = _search(store, f"tags.`chorus.model` = '{name}' and tags.`chorus.hash` = '{content}'")
    return found[0].info.run_id if found else None


def _search(store: Store, words: str) -> list:
    """Runs of the experiment, the latest first."""
    experiment = client(store).get_experiment_by_name(EXPERIMENT).experiment_id
    return list(client(store).search_runs([experiment], filter_string=words))


def begin(store: Store, params: Params, *, name: str, training: str, parent: str | None = None) -> tuple[str, int]:
    """The id of the run of a training that runs now, and the last step it has figures of: the run it was stopped or
    killed in, or a new one with its params. training: what it is made from, as its live figures say; parent: the run
    it is nested in."""
    found = _search(store, f"tags.`chorus.model` = '{name}' and tags.`chorus.training` = '{training}'")
    for run in found:
        if run.info.status != "FINISHED":
            client(store).update_run(run.info.run_id, status="RUNNING")
            return run.info.run_id, last_step(store, run.info.run_id)
    return _new_run(store, params, name, {"chorus.training": training, **nested_in(parent)}), 0


def nested_in(parent: str | None) -> dict[str, str]:
    """The tag by which MLflow shows a run below another; none without a parent."""
    return {"mlflow.parentRunId": parent} if parent else {}


def log_training(
    store: Store,
    params: Params,
    *,
    name: str,
    folder: Path,
    content: str,
    run: str | None = None,
    inputs: Mapping[str, str] | None = None,
    parent: str | None = None,
) -> str:
    """The id of the run of a finished training: the one there already; or ``run``, in which it was followed, or a new
    one, completed with curves, files, tags and the datasets it read. inputs: as the artifact's manifest names them;
    parent: the run a new one is nested in."""
    known = find_run(store, name=name, content=content)
    if known:
        return known
    run = run or _new_run(store, params, name, nested_in(parent))
    api = client(store)
    try:
        for key, value in {"chorus.hash": content, **_versions(store)}.items():
            api.set_tag(run, key, value)
        logged = last_step(store, run)
        log_rows(store, run, [row for row in read_curves(folder / CURVES) if (row["step"] or 0) > logged])
        for path in (folder / "metrics.json", folder / "config.json", folder / CURVES):
            if path.exists():
                api.log_artifact(run, str(path))
        lineage.log_datasets(api, run, inputs or {}, purpose="training")
    except BaseException:
        api.set_terminated(run, "FAILED")
        raise
    api.set_terminated(run)
    return run


def last_step(store: Store, run: str) -> int:
    """The last step MLflow has a loss of; 0 where it has none."""
    return max((metric.step for metric in client(store).get_metric_history(run, "loss")), default=0)


def log_rows(store: Store, run: str, rows: Sequence[Mapping]) -> None:
    """Rows of a loss curve, each at its step."""
    import time

    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    metrics = [
        Metric(key, value, now, int(row["step"]))
        for row in rows
        for key, value in row.items()
        if key not in ("step", "seconds") and value is not None
    ]
    for start in range(0, len(metrics), BATCH):
        client(store).log_batch(run, metrics=metrics[start : start + BATCH])


def _new_run(store: Store, params: Params, name: str, tags: Mapping[str, str]) -> str:
    api = client(store)
    experiment = api.get_experiment_by_name(EXPERIMENT).experiment_id
    run = api.create_run(experiment, run_name=name, tags={"chorus.model": name, **tags}).info.run_id
    for key, value in flat(plain(params)).items():
        api.log_param(run, key, value)
    return run


def log_check(store: Store, *, name: str, content: str, result) -> None:
    """Note on the training's run what the expectations said."""
    run = find_run(store, name=name, content=content)
    if run:
        client(store).set_tag(run, "expectations", "passed" if result.passed else str(result.description))
        client(store).log_dict(
            run, {"passed": result.passed, "lines": result.metadata["expectations"].value}, "expectations.json"
        )


def link(store: Store, run: str) -> str:
    """Address of a run in MLflow's UI."""
    return f"{shown_at()}/#/experiments/{client(store).get_run(run).info.experiment_id}/runs/{run}"


def flat(values: Mapping, prefix: str = "") -> dict[str, object]:
    """Nested keys joined by dots."""
    out: dict[str, object] = {}
    for key, value in values.items():
        out |= flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return out


def _versions(store: Store) -> dict[str, str]:
    """The commit and the hash of dvc.lock this run comes from, where there are such."""
    git = subprocess.run(["git", "rev-parse", "HEAD"], cwd=store.root, capture_output=True, text=True, check=False)
    lock = Path(store.root) / "dvc.lock"
    found = {
        "git.commit": git.stdout.strip() if git.returncode == 0 else "",
        "dvc.lock": hash_file(lock) if lock.exists() else "",
    }
    return {key: value for key, value in found.items() if value}
