"""What must hold of a scene before it goes on."""

import dagster as dg

from chorus.capture_checks import RULES
from chorus.stages import CAPTURE, GAUSSIANS, TARGETS, TEACHER_VIEWS
from orchestration.checks import tables
from orchestration.checks.expectations import Expect, between, check, includes, known, of_rules, rows
from orchestration.defs.scenes.assets import capture, gaussians, targets, teacher_views
from orchestration.defs.scenes.stage import scene_check
from orchestration.workspace import WorkspaceResource

MIN_PSNR = 18.0  # dB on held-out views: below it the Gaussians do not show the room


@scene_check(capture, blocking=True)
def views(workspace: WorkspaceResource, scene: str) -> dg.AssetCheckResult:
    """Views neither black nor blank, overlapping their neighbours, with depth where it is known."""
    table = tables.views(workspace.artifact(CAPTURE, scene))
    return check(table, of_rules([rule for rule in RULES if rule.table == "views"], table))


@scene_check(capture, blocking=True)
def whole(workspace: WorkspaceResource, scene: str) -> dg.AssetCheckResult:
    """Enough views, cameras that move, poses that photos and depth agree with, a scale that makes sense."""
    table = tables.capture(workspace.artifact(CAPTURE, scene))
    return check(table, of_rules([rule for rule in RULES if rule.table == "capture"], table))


@scene_check(capture)
def classes(workspace: WorkspaceResource, scene: str) -> dg.AssetCheckResult:
    """Labelled rooms show walls, a floor and something to name; most pixels carry a label."""
    table = tables.classes(workspace.artifact(CAPTURE, scene))
    if not table:
        return dg.AssetCheckResult(passed=True, description="this capture has no labels")
    unlabeled = sum(row["share"] for row in table if row["class"] == "unlabelled")
    named = [{**row, "unlabelled": unlabeled} for row in table if row["class"] != "unlabelled"]
    weak = "warning"
    return check(
        named,
        [
            rows(4, "classes", severity=weak),
            includes("class", ["wall", "floor"], severity=weak),
            between("unlabelled", 0, 0.3, severity=weak),
        ],
    )


@scene_check(gaussians, blocking=True)
def likeness(workspace: WorkspaceResource, scene: str) -> dg.AssetCheckResult:
    """Held-out views are rendered well enough to learn from."""
    table = tables.fit(workspace.artifact(GAUSSIANS, scene))
    side = "heldout" if "psnr_blind_heldout" in table[0] else "train"
    return check(
        table,
        [
            known(f"psnr_blind_{side}"),
            between(f"psnr_blind_{side}", MIN_PSNR),
            between("gaussians", 100),
            between(f"ssim_{side}", 0.5, severity="warning"),
        ],
    )


@scene_check(teacher_views, blocking=True)
def features(workspace: WorkspaceResource, scene: str) -> dg.AssetCheckResult:
    """Every teacher said something finite and not everywhere the same."""
    return check(tables.features(workspace.artifact(TEACHER_VIEWS, scene)), _FEATURES)


@scene_check(targets, blocking=True)
def coverage(workspace: WorkspaceResource, scene: str) -> dg.AssetCheckResult:
    """Most Gaussians are seen by every teacher."""
    lifted, views = (workspace.artifact(stage, scene) for stage in (TARGETS, TEACHER_VIEWS))
    return check(tables.targets(lifted, views), _TARGETS)


_FEATURES: list[Expect] = [rows(1, "teachers"), between("finite", 1, 1), between("spread", 1e-4)]
_TARGETS: list[Expect] = [rows(1, "teachers"), between("valid", 0.4), between("valid", 0.7, severity="warning")]
