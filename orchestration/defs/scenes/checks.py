"""What must hold of a scene before it goes on."""

import dagster as dg

from chorus.capture_checks import RULES
from chorus.stages import CAPTURE, GAUSSIANS, TARGETS, TEACHER_VIEWS
from orchestration.checks import tables
from orchestration.checks.expectations import Expect, between, check, includes, known, of_rules, rows
from orchestration.defs.scenes.assets import capture, gaussians, targets, teacher_views
from orchestration.partitions import scenes
from orchestration.workspace import WorkspaceResource

MIN_PSNR = 18.0  # dB on held-out views: below it the Gaussians do not show the room


@dg.asset_check(asset=capture, blocking=True, partitions_def=scenes)
def views(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Views neither black nor blank, overlapping their neighbours, with depth where it is known."""
    table = tables.views(workspace.artifact(CAPTURE, context.partition_key))
    return check(table, of_rules([rule for rule in RULES if rule.table == "views"], table))


@dg.asset_check(asset=capture, blocking=True, partitions_def=scenes)
def whole(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Enough views, cameras that move, poses that photos and depth agree with, a scale that makes sense."""
    table = tables.capture(workspace.artifact(CAPTURE, context.partition_key))
    return check(table, of_rules([rule for rule in RULES if rule.table == "capture"], table))


@dg.asset_check(asset=capture, partitions_def=scenes)
def classes(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Labelled rooms show walls, a floor and something to name; most pixels carry a label."""
    table = tables.classes(workspace.artifact(CAPTURE, context.partition_key))
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


@dg.asset_check(asset=gaussians, blocking=True, partitions_def=scenes)
def likeness(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Held-out views are rendered well enough to learn from."""
    table = tables.fit(workspace.artifact(GAUSSIANS, context.partition_key))
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


@dg.asset_check(asset=teacher_views, blocking=True, partitions_def=scenes)
def features(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Every teacher said something finite and not everywhere the same."""
    return check(tables.features(workspace.artifact(TEACHER_VIEWS, context.partition_key)), _FEATURES)


@dg.asset_check(asset=targets, blocking=True, partitions_def=scenes)
def coverage(context: dg.AssetCheckExecutionContext, workspace: WorkspaceResource) -> dg.AssetCheckResult:
    """Most Gaussians are seen by every teacher."""
    lifted, views = (workspace.artifact(stage, context.partition_key) for stage in (TARGETS, TEACHER_VIEWS))
    return check(tables.targets(lifted, views), _TARGETS)


_FEATURES: list[Expect] = [rows(1, "teachers"), between("finite", 1, 1), between("spread", 1e-4)]
_TARGETS: list[Expect] = [rows(1, "teachers"), between("valid", 0.4), between("valid", 0.7, severity="warning")]
