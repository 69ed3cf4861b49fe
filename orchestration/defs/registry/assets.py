"""The registered model."""

import dagster as dg

from orchestration import metadata, tables
from orchestration.resources import Workspace


@dg.asset(
    key=["registry", "chorus_encoder"],
    group_name="registry",
    kinds={"mlflow"},
    deps=[dg.AssetKey(["reports", "evaluation"])],
)
def chorus_encoder(context: dg.AssetExecutionContext, workspace: Workspace) -> dg.MaterializeResult:
    """The encoder as a version of the MLflow model ``chorus_encoder`` with the alias @challenger; mlflow/promote.py
    makes it @champion."""
    artifact = workspace.make(context)
    return metadata.result(artifact, **tables.read_json(artifact.path / "version.json"))
