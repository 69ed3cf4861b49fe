"""What a reader of the report may take for granted."""

import dagster as dg

from chorus.json_files import read_json
from chorus.recipes import reports
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


@dg.asset_check(asset=evaluation, blocking=True)
def whole_test_set(workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Every listed held-out and validation room was scored and is up to date: a room that is stale, failed or missing
    is a failed check, never a smaller test set."""
    from chorus.evaluate.rooms import Rooms

    opened, report = workspace.open_for(EVALUATION), read_json(workspace.artifact(EVALUATION).path / "metrics.json")
    listed = Rooms.listed(opened.listed().values())
    data, beside = report["data"], report["validation"]
    groups = (data["rooms"], data["adaptation_rooms"], beside.get("rooms", []), beside.get("adaptation_rooms", []))
    scored = {name for names in groups for name in names}
    lacking = sorted({*(set(listed.scored()) - scored), *reports.not_ready(opened, listed)})
    return dg.AssetCheckResult(
        passed=not lacking,
        description=f"not scored as they are now: {', '.join(lacking)}" if lacking else f"all {len(scored)} rooms",
        metadata={"rooms": len(scored)},
    )


def _ratio(value: float | None, base: float | None) -> float | None:
    return value / base if value is not None and base else None


def _difference(value: float | None, base: float | None) -> float | None:
    return value - base if value is not None and base is not None else None
