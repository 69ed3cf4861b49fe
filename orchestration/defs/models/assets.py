"""The encoder, distilled on the training rooms, and its adaptation to the second domain."""

import dagster as dg

from chorus.store import Artifact
from orchestration import metadata, tables, tracking
from orchestration.resources import Workspace

TARGETS = dg.AssetKey(["scenes", "targets"])


@dg.asset(key=["models", "encoder"], group_name="models", kinds={"pytorch", "mlflow"}, deps=[TARGETS])
def encoder(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """One feed-forward encoder in two variants: of Gaussians (splats) and, for comparison, of bare points."""
    artifact = workspace.make(context)
    return _result(workspace, artifact, {name: artifact.path / name for name in ("splats", "points")})


@dg.asset(key=["models", "adapted_encoder"], group_name="models", kinds={"pytorch", "mlflow"}, deps=[encoder, TARGETS])
def adapted_encoder(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """The encoder after render-and-distill on the second domain's training rooms, without labels."""
    artifact = workspace.make(context)
    return _result(workspace, artifact, {"adapted": artifact.path})


def _result(workspace: Workspace, artifact: Artifact, variants: dict) -> dg.MaterializeResult:
    """Metadata with the last line of every curve, and one MLflow run a training."""
    last = [{"model": name, **tables.curves(folder / "curves.csv")[-1]} for name, folder in variants.items()]
    store, links = workspace.store, {}
    for name, folder in variants.items():
        run = tracking.log_training(store, workspace.params, name=name, folder=folder, content=artifact.hash)
        links[f"mlflow_{name}"] = dg.MetadataValue.url(tracking.link(store, run))
    return metadata.result(artifact, losses=metadata.table(last), **links)
