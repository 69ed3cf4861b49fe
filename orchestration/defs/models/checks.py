"""What must hold of a training before its model is used."""

import math

import dagster as dg

from chorus.store import manifest_of
from orchestration import tables, tracking
from orchestration.defs.models.assets import adapted_encoder, encoder
from orchestration.expectations import between, check, known, rows
from orchestration.resources import Workspace, red_asset
from orchestration.scene_list import rooms as listed_rooms


@dg.asset_check(asset=encoder, blocking=True)
def encoder_curves(workspace: Workspace) -> dg.AssetCheckResult:
    """Losses stay finite and end lower than they began, for both variants."""
    folder = workspace.store.model("encoder")
    return _check(workspace, {name: folder / name for name in ("splats", "points")}, folder)


@dg.asset_check(asset=adapted_encoder, blocking=True)
def adapted_curves(workspace: Workspace) -> dg.AssetCheckResult:
    """Losses stay finite and end no higher than they began."""
    folder = workspace.store.model("adapted")
    return _check(workspace, {"adapted": folder}, folder)


@dg.asset_check(asset=encoder)
def every_room(workspace: Workspace) -> dg.AssetCheckResult:
    """No training room was left out for want of targets that passed their checks."""
    used = tables.read_json(workspace.store.model("encoder") / "splats" / "config.json")["notes"]["scenes"]
    with red_asset():
        listed = listed_rooms(workspace.store, split="train", domain="main")
    missing = [name for name in listed if name not in used]
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"left out: {', '.join(missing)}" if missing else f"all {len(listed)} training rooms",
        metadata={"rooms": len(used)},
    )


def _check(workspace: Workspace, variants: dict, folder) -> dg.AssetCheckResult:
    table = [row for name, path in variants.items() for row in progress(name, tables.curves(path / "curves.csv"))]
    result = check(table, [rows(1, "losses"), known("last"), between("finite", 1, 1), between("ratio", 0, 1)])
    for name in variants:
        tracking.log_check(workspace.store, name=name, content=manifest_of(folder)["hash"], result=result)
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
