"""What must hold of a training before its model is used."""

import dagster as dg

from chorus.store import manifest_of
from orchestration import tables, tracking
from orchestration.defs.models.assets import adapted_encoder, encoder
from orchestration.expectations import between, check, known, rows
from orchestration.resources import Workspace


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


def _check(workspace: Workspace, variants: dict, folder) -> dg.AssetCheckResult:
    table = []
    for name, path in variants.items():
        steps = tables.curves(path / "curves.csv")
        table += [{"model": name, "loss": row.get("loss"), "ratio": _ratio(steps) if row is steps[-1] else None} for row in steps]
    result = check(table, [rows(2, "logged steps"), known("loss"), between("ratio", 0, 1.0)])
    for name in variants:
        tracking.log_check(workspace.store, name=name, content=manifest_of(folder)["hash"], result=result)
    return result


def _ratio(steps: list[dict]) -> float | None:
    """Mean loss of the last tenth over that of the first."""
    losses = [row["loss"] for row in steps if row.get("loss") is not None]
    part = max(1, len(losses) // 10)
    return (sum(losses[-part:]) / part) / max(sum(losses[:part]) / part, 1e-12) if losses else None
