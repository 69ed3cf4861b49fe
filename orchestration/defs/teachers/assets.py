"""The embedded teachers' heads."""

import dagster as dg

from orchestration import metadata, tables
from orchestration.resources import Workspace


class Training(dg.Config):
    """retrain: train the heads on the training homes instead of taking the shipped ones."""

    retrain: bool = False


@dg.asset(
    key=["teachers", "embedded"], group_name="teachers", kinds={"pytorch"}, deps=[dg.AssetKey(["scenes", "capture"])]
)
def embedded(context: dg.AssetExecutionContext, config: Training, workspace: Workspace) -> dg.MaterializeResult:
    """Language and object heads over a frozen image trunk, trained on 2D renders of the training homes."""
    artifact = workspace.make(context, retrain=config.retrain)
    provenance = tables.read_json(artifact.path / "provenance.json")
    return metadata.result(artifact, provenance=dg.MetadataValue.json(provenance))
