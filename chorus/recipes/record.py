"""The figures of a finished training as small JSON, so that they outlive the machine it ran on (docs/runs)."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from chorus.device import device_name, device_of
from chorus.errors import InputError, StoreError
from chorus.json_files import read_json
from chorus.machine import cores, instruction_set
from chorus.params import Params
from chorus.recipes.recipe import NUMBERS, hash_of
from chorus.recipes.seconds import seconds_by_stage
from chorus.scene_list import GeneratedRoom
from chorus.stages import EMBEDDED, ENCODER, PARTS, part_of
from chorus.store import hash_folder, plain
from chorus.workspace import Workspace

FORMAT = 1
_BLOCKS = ("zero_shot", "zero_shot_withheld", "zero_shot_all")
_TIMED = (*PARTS, *map(part_of, (EMBEDDED, ENCODER)))
_FIGURES = ("f_miou", "f_macc")
_EVALUATE = "Score it: chorus evaluate --split validation."


def record(workspace: Workspace) -> dict[str, Any]:
    """The workspace's encoder as it was scored on the validation rooms.

    Raises StoreError where there is no encoder or the report lies there of another one, MissingError without a report.
    """
    store = workspace.store
    path = store.report("validation") / "metrics.json"
    metrics = read_json(path, expected="a report on the validation rooms", fix=_EVALUATE)
    trained = hash_of(store, ENCODER)
    scored = metrics.get("provenance", {}).get("models/encoder", "none")
    if scored != trained:
        raise StoreError(path, expected=f"figures of the encoder {trained[:12]}", got=f"{scored[:12]}'s", fix=_EVALUATE)
    return run_record(workspace, store.artifact(ENCODER), metrics)


def run_record(workspace: Workspace, encoder: Path, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What was trained, how, on what, and what came of it on the rooms of ``metrics``; shares in percent.

    encoder: a folder with a model of each input variant; metrics: a metrics.json on validation rooms. Seconds are those
    of the run that made an artifact: what a killed one spent before is not in them. Raises InputError for metrics of
    another split.
    """
    data = metrics.get("data", {})
    if data.get("split") != "validation":
        raise InputError("record", expected="figures on validation rooms", got=data.get("split", "no report"))
    notes, trained = _trained(encoder)
    device = device_of(workspace.params.device)
    seconds = seconds_by_stage(workspace.store, [*notes["scenes"], *data["rooms"]])
    return {
        "format": FORMAT,
        "params": digest(workspace.params, seed=notes["seed"]),
        "settings": {**metrics["settings"], "seed": notes["seed"]},
        "recipes": dict(NUMBERS),
        "seed": notes["seed"],
        "rooms": _kinds(workspace, notes["scenes"]),
        "trained": trained,
        "encoder": hash_folder(encoder),
        "teachers": hash_of(workspace.store, EMBEDDED) if workspace.params.teachers.family == "embedded" else "",
        "validation": {
            "rooms": data["rooms"],
            "homes": data["homes"],
            "names": {key: len(data[key]) for key in ("taught", "withheld", "names")},
            **{block: _figures(metrics[block]) for block in _BLOCKS},
            "linear_probe": {method: row.get("miou") for method, row in metrics["linear_probe"].items()},
        },
        "seconds": {stage: spent for stage, spent in seconds.items() if stage in _TIMED},
        "machine": {"instruction_set": instruction_set(), "cores": cores(), "device": device_name(device)},
    }


def digest(params: Params, *, seed: int | None = None) -> str:
    """Of the parameters that say what is made, not where: 12 digits. seed: in place of theirs."""
    said = dataclasses.replace(params, device="", seed=params.seed if seed is None else seed)
    return hashlib.sha256(json.dumps(plain(said), sort_keys=True).encode()).hexdigest()[:12]


def _trained(encoder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what every variant notes of its training, variant -> steps, parameters, last losses)."""
    found, notes = {}, {}
    for path in sorted(encoder.glob("*/metrics.json")):
        row = read_json(path)
        notes = read_json(path.with_name("config.json"))["notes"]
        found[path.parent.name] = {key: row[key] for key in ("steps", "parameters")} | {"loss": row["final"]}
    if not found:
        fix = "Train them: chorus distill."
        raise InputError(encoder, expected="trained models, a folder a variant", got="none", fix=fix)
    return notes, found


def _kinds(workspace: Workspace, rooms: Iterable[str]) -> dict[str, int]:
    listed = workspace.listed()
    generated = [isinstance(listed.get(name), GeneratedRoom) for name in rooms]
    return {"designed": len(generated) - sum(generated), "generated": sum(generated)}


def _figures(block: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """method -> f-mIoU and f-mAcc; a method's interval stands beside them."""
    table = {method: {key: row[key] for key in _FIGURES} for method, row in block.items() if isinstance(row, dict)}
    for method, row in table.items():
        if f"{method}_interval" in block:
            row["interval"] = block[f"{method}_interval"]
    return table
