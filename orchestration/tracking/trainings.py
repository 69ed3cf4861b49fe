"""MLflow: one run a training, found again by the content hash of what it made. The package is imported inside
functions."""

import functools
import logging
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chorus.params import Params
from chorus.store import Store, hash_file, plain
from chorus.train.curves import CURVES, read_curves

EXPERIMENT, MODEL = "chorus", "chorus_encoder"
UI = "http://127.0.0.1:5000"
BATCH = 1000  # metrics MLflow takes in one call


def uri(store: Store) -> str:
    """MLFLOW_TRACKING_URI, else a database under the state folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{store.state / 'mlflow' / 'mlflow.db'}"


@functools.cache
def _client(tracking_uri: str, folder: Path):
    import mlflow

    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(tracking_uri)
    client = mlflow.MlflowClient()
    if client.get_experiment_by_name(EXPERIMENT) is None:
        client.create_experiment(EXPERIMENT, artifact_location=(folder / "artifacts").as_uri())
    return client


def client(store: Store):
    """The client of this workspace's MLflow, its experiment created when absent."""
    return _client(uri(store), store.state / "mlflow")


def find_run(store: Store, *, name: str, content: str) -> str | None:
    """Id of the run that logged this model with this content hash."""
    found = client(store).search_runs(
        [client(store).get_experiment_by_name(EXPERIMENT).experiment_id],
        filter_string=f"tags.`chorus.model` = '{name}' and tags.`chorus.hash` = '{content}'",
        max_results=1,
    )
    return found[0].info.run_id if found else None


def log_training(store: Store, params: Params, *, name: str, folder: Path, content: str) -> str:
    """The id of the run of a training: the one there already, or a new one with params, curves, final metrics and
    tags."""
    known = find_run(store, name=name, content=content)
    if known:
        return known
    with _run(store, name, {"chorus.model": name, "chorus.hash": content, **_versions(store)}) as run:
        for key, value in flat(plain(params)).items():
            client(store).log_param(run, key, value)
        _log_curves(store, run, read_curves(folder / CURVES))
        for path in (folder / "metrics.json", folder / "config.json", folder / CURVES):
            if path.exists():
                client(store).log_artifact(run, str(path))
    return run


@contextmanager
def _run(store: Store, name: str, tags: Mapping[str, str]) -> Iterator[str]:
    experiment = client(store).get_experiment_by_name(EXPERIMENT).experiment_id
    run = client(store).create_run(experiment, run_name=name, tags=dict(tags)).info.run_id
    try:
        yield run
    except BaseException:
        client(store).set_terminated(run, "FAILED")
        raise
    client(store).set_terminated(run)


def _log_curves(store: Store, run: str, steps: list[dict]) -> None:
    import time

    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    metrics = [
        Metric(key, value, now, int(row.get("step", i)))
        for i, row in enumerate(steps)
        for key, value in row.items()
        if key != "step" and value is not None
    ]
    for start in range(0, len(metrics), BATCH):
        client(store).log_batch(run, metrics=metrics[start : start + BATCH])


def log_check(store: Store, *, name: str, content: str, result) -> None:
    """Note on the training's run what the expectations said."""
    run = find_run(store, name=name, content=content)
    if run:
        client(store).set_tag(run, "expectations", "passed" if result.passed else str(result.description))
        client(store).log_dict(
            run, {"passed": result.passed, "lines": result.metadata["expectations"].value}, "expectations.json"
        )


def link(store: Store, run: str) -> str:
    """Address of a run in the UI that ``make ui`` starts."""
    return f"{UI}/#/experiments/{client(store).get_run(run).info.experiment_id}/runs/{run}"


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
