"""The encoder, distilled on the training rooms, and its adaptation to the second domain."""

from pathlib import Path

import dagster as dg

from chorus.recipes import models
from chorus.stages import ADAPTED, ENCODER, TARGETS
from chorus.store import Artifact
from chorus.train.curves import CURVES, read_curves
from orchestration.checks import metadata
from orchestration.keys import about, key
from orchestration.tracking import trainings
from orchestration.workspace import WorkspaceResource


@dg.asset(**about(ENCODER, "pytorch", "mlflow", pool="gpu"), deps=[key(TARGETS)])
def encoder(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """One feed-forward encoder in two variants: of Gaussians (splats) and, for comparison, of bare points."""
    artifact = workspace.make(context, models.encoder)
    return _result(workspace, artifact, {name: artifact.path / name for name in models.VARIANTS})


@dg.asset(**about(ADAPTED, "pytorch", "mlflow", pool="gpu"), deps=[encoder, key(TARGETS)])
def adapted_encoder(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """The encoder after render-and-distill on the second domain's training rooms, without labels."""
    artifact = workspace.make(context, models.adapted_encoder)
    return _result(workspace, artifact, {"adapted": artifact.path})


def _result(workspace: WorkspaceResource, artifact: Artifact, variants: dict[str, Path]) -> dg.MaterializeResult:
    """Metadata with the last line of every curve, and one MLflow run a training."""
    last = [{"model": name, **read_curves(folder / CURVES)[-1]} for name, folder in variants.items()]
    opened, links = workspace.open(), {}
    for name, folder in variants.items():
        run = trainings.log_training(opened.store, opened.params, name=name, folder=folder, content=artifact.hash)
        links[f"mlflow_{name}"] = dg.MetadataValue.url(trainings.link(opened.store, run))
    return metadata.result(artifact, losses=metadata.table(last), **links)
