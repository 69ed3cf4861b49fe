"""What a model was trained on and judged by, as datasets of its MLflow run: one a kind of artifact and purpose, with
the content hashes of its rooms."""

import hashlib
import json
from collections.abc import Mapping

DIGEST = 16  # characters of a dataset's digest; MLflow takes 36


def log_datasets(api, run: str, inputs: Mapping[str, str], *, purpose: str) -> None:
    """Log to a run what it read, once however often it is said.

    api: MLflow's client;
    inputs: as an artifact's manifest names them, ``room/targets`` or ``encoder`` -> content hash;
    purpose: ``training``, ``validation`` or ``held_out``.
    """
    from mlflow.entities import DatasetInput, InputTag

    tag = InputTag("mlflow.data.context", purpose)
    datasets = [DatasetInput(dataset(kind, hashes), [tag]) for kind, hashes in sorted(by_kind(inputs).items())]
    if datasets:
        api.log_inputs(run, datasets)


def by_kind(inputs: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """``{"kitchen/targets": h, "encoder": e}`` -> ``{"targets": {"kitchen": h}, "encoder": {"encoder": e}}``."""
    found: dict[str, dict[str, str]] = {}
    for name, content in inputs.items():
        room, _, kind = name.rpartition("/")
        found.setdefault(kind, {})[room or kind] = content
    return found


def dataset(kind: str, hashes: Mapping[str, str]):
    """MLflow's record of one kind of artifact: where it lies in the workspace, and which rooms with which hashes.
    ``mlflow.data.get_source`` gives the folder."""
    from mlflow.entities import Dataset

    where = f"data/models/{kind}" if set(hashes) == {kind} else f"data/{kind}"  # as DVC names it, wherever that lies
    said = json.dumps(hashes, sort_keys=True)
    return Dataset(
        name=kind,
        digest=hashlib.sha256(said.encode()).hexdigest()[:DIGEST],
        source_type="local",
        source=json.dumps({"uri": where}),
        profile=json.dumps({"rooms": len(hashes), "hashes": dict(sorted(hashes.items()))}),
    )
