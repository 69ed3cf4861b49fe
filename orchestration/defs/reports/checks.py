"""What a reader of the report may take for granted."""

import dagster as dg

from orchestration import tables
from orchestration.defs.reports.assets import evaluation
from orchestration.expectations import between, check, known
from orchestration.resources import Workspace


@dg.asset_check(asset=evaluation, blocking=True)
def figures(workspace: Workspace) -> dg.AssetCheckResult:
    """The figures exist; the student is better than chance; adaptation does not hurt."""
    report = tables.read_json(workspace.store.reports / "metrics.json")
    zero_shot, adaptation = report["zero_shot"], report["adaptation"]
    row = {
        "student": zero_shot["student"]["f_miou"],
        "over_chance": _ratio(zero_shot["student"]["f_miou"], zero_shot["chance"]["f_miou"]),
        "adaptation_gain": _difference(adaptation["after"]["f_miou"], adaptation["before"]["f_miou"]),
    }
    return check(
        [row],
        [
            known("student"),
            between("over_chance", 1.5, severity="warning"),
            between("adaptation_gain", 0, severity="warning"),
        ],
    )


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def _difference(value: float | None, base: float | None) -> float | None:
    return value - base if value is not None and base is not None else None
