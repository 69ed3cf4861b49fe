"""What a reader of the report may take for granted."""

import dagster as dg

from chorus.json_files import read_json
from chorus.stages import EVALUATION
from orchestration.checks.expectations import between, check, known
from orchestration.defs.reports.assets import evaluation
from orchestration.workspace import WorkspaceResource


@dg.asset_check(asset=evaluation, blocking=True)
def figures(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """The figures exist; the student is better than chance; adaptation does not hurt."""
    report = read_json(workspace.artifact(EVALUATION).path / "metrics.json")
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
