"""Scene by scene: capture, Gaussians, what the teachers see of them, targets."""

import dagster as dg

from orchestration import metadata, tables
from orchestration.partitions import scenes
from orchestration.resources import Workspace


@dg.asset(key=["scenes", "capture"], partitions_def=scenes, group_name="scenes", kinds={"python"})
def capture(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Posed images of a room, with depth and labels where the source knows them."""
    artifact = workspace.make(context)
    return metadata.result(
        artifact,
        views=len(tables.views(artifact)),
        classes=metadata.table(tables.classes(artifact)),
        thumbnail=metadata.contact_sheet(sorted((artifact.path / "images").glob("*.png"))),
    )


@dg.asset(key=["scenes", "gaussians"], partitions_def=scenes, group_name="scenes", kinds={"python"}, deps=[capture])
def gaussians(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Gaussians optimised to the capture; every eighth view is held out."""
    artifact = workspace.make(context)
    return metadata.result(
        artifact, **tables.fit(artifact)[0], thumbnail=metadata.picture(artifact.path / "contact_sheet.png")
    )


@dg.asset(
    key=["scenes", "teacher_views"],
    partitions_def=scenes,
    group_name="scenes",
    kinds={"pytorch"},
    deps=[gaussians, dg.AssetDep(["teachers", "embedded"])],
)
def teacher_views(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Views rendered from the Gaussians and the patch features every teacher gives them."""
    artifact = workspace.make(context)
    renders = sorted((artifact.path / "renders").glob("*.png"))
    return metadata.result(
        artifact, teachers=metadata.table(tables.features(artifact)), thumbnail=metadata.contact_sheet(renders)
    )


@dg.asset(
    key=["scenes", "targets"], partitions_def=scenes, group_name="scenes", kinds={"pytorch"}, deps=[teacher_views]
)
def targets(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """Teacher features lifted onto the Gaussians, in factorised form."""
    artifact = workspace.make(context)
    return metadata.result(artifact, teachers=metadata.table(tables.targets(artifact)))
