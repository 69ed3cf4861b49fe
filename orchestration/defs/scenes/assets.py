"""Scene by scene: capture, Gaussians, what the teachers see of them, targets."""

from chorus.stages import CAPTURE, EMBEDDED, GAUSSIANS, TARGETS, TEACHER_VIEWS
from chorus.store import Artifact
from orchestration.checks import metadata, tables
from orchestration.defs.scenes.stage import scene_asset
from orchestration.workspace import WorkspaceResource


@scene_asset(CAPTURE, "python", pool="cpu")
def capture(workspace: WorkspaceResource, scene: str, artifact: Artifact) -> dict[str, object]:
    """Posed images of a room, with depth and labels where the source knows them."""
    images = sorted((artifact.path / "images").glob("*.png"))
    return {
        "thumbnail": metadata.contact_sheet(images),
        "views": len(images),
        "frame": tables.frame(artifact),
        "classes": metadata.table(tables.classes(artifact)),
    }


@scene_asset(GAUSSIANS, "python", pool="gpu", made_from=[CAPTURE])
def gaussians(workspace: WorkspaceResource, scene: str, artifact: Artifact) -> dict[str, object]:
    """Gaussians optimised to the capture; every eighth view is held out."""
    return {"thumbnail": metadata.picture(artifact.path / "contact_sheet.png"), **tables.fit(artifact)[0]}


@scene_asset(TEACHER_VIEWS, "pytorch", pool="gpu", made_from=[GAUSSIANS, EMBEDDED])
def teacher_views(workspace: WorkspaceResource, scene: str, artifact: Artifact) -> dict[str, object]:
    """Views rendered from the Gaussians and the patch features every teacher gives them."""
    sheet = metadata.contact_sheet(sorted((artifact.path / "renders").glob("*.png")))
    return {"thumbnail": sheet, "teachers": metadata.table(tables.features(artifact))}


@scene_asset(TARGETS, "pytorch", pool="gpu", made_from=[TEACHER_VIEWS])
def targets(workspace: WorkspaceResource, scene: str, artifact: Artifact) -> dict[str, object]:
    """Teacher features lifted onto the Gaussians, kept as compact rows."""
    views = workspace.artifact(TEACHER_VIEWS, scene)
    return {"teachers": metadata.table(tables.targets(artifact, views))}
