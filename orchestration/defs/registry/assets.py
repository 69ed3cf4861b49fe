"""The registered model."""

import dagster as dg

from chorus.json_files import read_json
from chorus.stages import EVALUATION, REGISTRY
from orchestration.checks import metadata
from orchestration.keys import about, key
from orchestration.recipes import registry
from orchestration.workspace import WorkspaceResource


@dg.asset(**about(REGISTRY, "mlflow", pool="cpu"), deps=[key(EVALUATION)])
def chorus_encoder(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """The encoder as a version of the MLflow model ``chorus_encoder`` with the alias @challenger; mlflow/promote.py
    makes it @champion."""
    artifact = workspace.make(context, registry.chorus_encoder)
    return metadata.result(artifact, **read_json(artifact.path / "version.json"))
