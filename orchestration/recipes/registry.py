"""What makes a registered version. The version itself lies in MLflow; a small file under the state folder says which it
is."""

import hashlib
import json
from pathlib import Path

from chorus.errors import StoreError
from chorus.json_files import read_json, write_json
from chorus.recipes.recipe import Recipe, hash_of
from chorus.stages import ENCODER, EVALUATION, REGISTRY
from chorus.store import Store, manifest_of
from chorus.workspace import Workspace

KEYS = ("zero_shot", "validation", "data")  # of the report: the part that names scenes and figures, without seconds


def chorus_encoder(workspace: Workspace) -> Recipe:
    """A version of the encoder with the figures of the report on it."""
    store = workspace.store
    content, report = hash_of(store, ENCODER), _report(store)
    if report["request"]["inputs"]["encoder"] != content:
        raise StoreError(
            store.artifact(EVALUATION),
            expected="the report of today's encoder",
            got="the report of another",
            fix=f"Materialize {EVALUATION} first.",
        )
    inputs = {"encoder": content, "figures": _digest({key: report[key] for key in KEYS})}
    return Recipe(store=store, stage=REGISTRY, make=lambda out: _register(store, report, content, out), inputs=inputs)


def _report(store: Store) -> dict:
    """metrics.json and the request it answers: what it was made from, with which settings."""
    folder = store.artifact(EVALUATION)
    manifest = manifest_of(folder, where=EVALUATION)
    return {**read_json(folder / "metrics.json"), "request": manifest}


def _register(store: Store, report: dict, content: str, out: Path) -> None:
    from orchestration.tracking.registration import register
    from orchestration.tracking.trainings import find_run

    inputs, rooms = report["request"]["inputs"], report["validation"].get("rooms", [])
    compared = {"settings": report["request"]["params"], "rooms": {name: inputs[f"{name}/capture"] for name in rooms}}
    run = find_run(store, name="splats", content=content)
    version = register(store, content=content, run=run, report=report, scenes=_digest(compared))
    write_json(out / "version.json", version)


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
