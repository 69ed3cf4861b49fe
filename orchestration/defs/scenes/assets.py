"""Scene by scene: capture, Gaussians, what the teachers see of them, targets."""

import dagster as dg

from chorus.recipes import scenes as recipes
from chorus.stages import CAPTURE, EMBEDDED, GAUSSIANS, TARGETS, TEACHER_VIEWS
from orchestration.checks import metadata, tables
from orchestration.keys import about, key
from orchestration.partitions import scenes
from orchestration.workspace import WorkspaceResource


@dg.asset(**about(CAPTURE, "python", pool="cpu"), partitions_def=scenes)
def capture(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """Posed images of a room, with depth and labels where the source knows them."""
    artifact = workspace.make(context, recipes.capture)
    images = sorted((artifact.path / "images").glob("*.png"))
    classes = metadata.table(tables.classes(artifact))
    sheet, frame = metadata.contact_sheet(images), tables.frame(artifact)
    return metadata.result(artifact, views=len(images), frame=frame, classes=classes, thumbnail=sheet)


@dg.asset(**about(GAUSSIANS, "python", pool="gpu"), partitions_def=scenes, deps=[capture])
def gaussians(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """Gaussians optimised to the capture; every eighth view is held out."""
    artifact = workspace.make(context, recipes.gaussians)
    sheet = metadata.picture(artifact.path / "contact_sheet.png")
    return metadata.result(artifact, **tables.fit(artifact)[0], thumbnail=sheet)


@dg.asset(**about(TEACHER_VIEWS, "pytorch", pool="gpu"), partitions_def=scenes, deps=[gaussians, key(EMBEDDED)])
def teacher_views(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """Views rendered from the Gaussians and the patch features every teacher gives them."""
    artifact = workspace.make(context, recipes.teacher_views)
    sheet = metadata.contact_sheet(sorted((artifact.path / "renders").glob("*.png")))
    return metadata.result(artifact, teachers=metadata.table(tables.features(artifact)), thumbnail=sheet)


@dg.asset(**about(TARGETS, "pytorch", pool="gpu"), partitions_def=scenes, deps=[teacher_views])
def targets(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """Teacher features lifted onto the Gaussians, kept as compact rows."""
    artifact = workspace.make(context, recipes.targets)
    views = workspace.artifact(TEACHER_VIEWS, context.partition_key)
    return metadata.result(artifact, teachers=metadata.table(tables.targets(artifact, views)))
