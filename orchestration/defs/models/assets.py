"""The encoder, distilled on the training rooms, and its adaptation to the second domain."""

from collections.abc import Callable

import dagster as dg

from chorus.recipes import models
from chorus.recipes.recipe import Recipe
from chorus.stages import ADAPTED, ENCODER, TARGETS
from chorus.store import manifest_of
from chorus.train.curves import CURVES, read_curves
from orchestration.checks import metadata
from orchestration.keys import WHEN_STALE, about, key
from orchestration.tracking import trainings
from orchestration.tracking.live import followed
from orchestration.workspace import WorkspaceResource


@dg.asset(**about(ENCODER, "pytorch", "mlflow", pool="gpu", when=WHEN_STALE), deps=[key(TARGETS)])
def encoder(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """One feed-forward encoder in two variants: of Gaussians (splats) and, for comparison, of bare points."""
    return _trained(context, workspace, models.encoder, {name: name for name in models.VARIANTS})


@dg.asset(**about(ADAPTED, "pytorch", "mlflow", pool="gpu", when=WHEN_STALE), deps=[encoder, key(TARGETS)])
def adapted_encoder(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """The encoder after render-and-distill on the second domain's training rooms, without labels."""
    return _trained(context, workspace, models.adapted_encoder, {"adapted": "."})


def _trained(
    context: dg.AssetExecutionContext,
    workspace: WorkspaceResource,
    recipe: Callable[..., Recipe],
    variants: dict[str, str],
) -> dg.MaterializeResult:
    """Metadata with the last line of every curve, and one MLflow run a training, which follows it while it runs.

    variants: name of each training -> its folder in the artifact.
    """
    opened, links = workspace.open(), {}
    with followed(opened.store, opened.params, {name: opened.store.training(name) for name in variants}) as runs:
        artifact = workspace.make(context, recipe)
    folders = {name: artifact.path / folder for name, folder in variants.items()}
    last = [{"model": name, **read_curves(folder / CURVES)[-1]} for name, folder in folders.items()]
    inputs = manifest_of(artifact.path)["inputs"]
    for name, folder in folders.items():
        run = trainings.log_training(
            opened.store,
            opened.params,
            name=name,
            folder=folder,
            content=artifact.hash,
            run=runs.get(name),
            inputs=inputs,
        )
        links[f"mlflow_{name}"] = dg.MetadataValue.url(trainings.link(opened.store, run))
    return metadata.result(artifact, losses=metadata.table(last), **links)
