"""What must hold of a training before its model is used."""

import math
from pathlib import Path

import dagster as dg

from chorus.json_files import read_json
from chorus.recipes.models import VARIANTS
from chorus.stages import ADAPTED, ENCODER
from chorus.store import Artifact
from chorus.train.curves import CURVES, read_curves
from orchestration.checks.expectations import between, check, known, rows
from orchestration.defs.models.assets import adapted_encoder, encoder
from orchestration.tracking import trainings
from orchestration.workspace import WorkspaceResource, red_asset


@dg.asset_check(asset=encoder, blocking=True)
def encoder_curves(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Losses stay finite and end lower than they began, for both variants."""
    artifact = workspace.artifact(ENCODER)
    return _check(workspace, artifact, {name: artifact.path / name for name in VARIANTS})


@dg.asset_check(asset=adapted_encoder, blocking=True)
def adapted_curves(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Losses stay finite and end no higher than they began."""
    artifact = workspace.artifact(ADAPTED)
    return _check(workspace, artifact, {"adapted": artifact.path})


@dg.asset_check(asset=encoder)
def every_room(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """No training room was left out for want of targets that passed their checks."""
    used = read_json(workspace.artifact(ENCODER).path / "splats" / "config.json")["notes"]["scenes"]
    with red_asset():
        listed = workspace.open().rooms(split="train", domain="main")
    missing = [name for name in listed if name not in used]
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"left out: {', '.join(missing)}" if missing else f"all {len(listed)} training rooms",
        metadata={"rooms": len(used)},
    )


def _check(workspace: WorkspaceResource, artifact: Artifact, variants: dict[str, Path]) -> dg.AssetCheckResult:
    table = [row for name, path in variants.items() for row in progress(name, read_curves(path / CURVES))]
    result = check(table, [rows(1, "losses"), known("last"), between("finite", 1, 1), between("ratio", 0, 1)])
    for name in variants:
        trainings.log_check(workspace.store, name=name, content=artifact.hash, result=result)
    return result


def progress(model: str, steps: list[dict]) -> list[dict]:
    """A row a loss (the total aside, to which teachers are added on the way): the last value, its ratio to the first,
    the share that is finite."""
    found = []
    for name in (key for key in steps[0] if key not in ("step", "lr", "loss")):
        values = [row[name] for row in steps if row.get(name) is not None]
        if values:
            finite = sum(math.isfinite(value) for value in values) / len(values)
            found.append(
                {
                    "model": model,
                    "loss": name,
                    "last": values[-1],
                    "ratio": values[-1] / values[0] if values[0] else None,
                    "finite": finite,
                }
            )
    return found
