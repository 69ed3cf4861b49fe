"""What makes a registered version. The version itself lies in MLflow; a small file under the state folder says which it
is."""

import hashlib
import json
from pathlib import Path

from chorus.errors import StoreError
from chorus.params import Params
from chorus.store import Store, manifest_of
from orchestration.plan import Plan, hash_of

KEYS = ("zero_shot", "data")  # of the report: the part that names scenes and figures, without seconds


def chorus_encoder(store: Store, params: Params) -> Plan:
    """A version of the encoder with the figures of the report on it."""
    content = hash_of(store.model("encoder"), "models/encoder")
    report = _report(store)
    if report["request"]["inputs"]["encoder"] != content:
        raise StoreError(
            store.reports,
            expected="the report of today's encoder",
            got="the report of another",
            fix="Materialize reports/evaluation first.",
        )
    inputs = {"encoder": content, "figures": _digest({key: report[key] for key in KEYS})}
    path = store.state / "registry" / "chorus_encoder"
    return Plan(
        path=path,
        stage="registry/chorus_encoder",
        make=lambda out: _register(store, report, content, out),
        inputs=inputs,
    )


def _report(store: Store) -> dict:
    """metrics.json and the request it answers: what it was made from, with which settings."""
    manifest = manifest_of(store.reports, where="reports/evaluation")
    return {**json.loads((store.reports / "metrics.json").read_text()), "request": manifest}


def _register(store: Store, report: dict, content: str, out: Path) -> None:
    from orchestration.registration import register
    from orchestration.tracking import find_run

    inputs, held_out = report["request"]["inputs"], report["data"]["rooms"]
    test = {"settings": report["request"]["params"], "rooms": {name: inputs[f"{name}/capture"] for name in held_out}}
    version = register(
        store, content=content, run=find_run(store, name="splats", content=content), report=report, scenes=_digest(test)
    )
    (out / "version.json").write_text(json.dumps(version, sort_keys=True, indent=1) + "\n")


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
