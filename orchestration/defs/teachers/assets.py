"""The embedded teachers' heads."""

import dagster as dg

from chorus.json_files import read_json
from chorus.recipes import teachers
from chorus.stages import CAPTURE, EMBEDDED
from orchestration.checks import metadata
from orchestration.keys import about, key
from orchestration.workspace import WorkspaceResource


class Training(dg.Config):
    """retrain: train the heads on the training homes instead of taking the shipped ones."""

    retrain: bool = False


@dg.asset(**about(EMBEDDED, "pytorch", pool="gpu"), deps=[key(CAPTURE)])
def embedded(context: dg.AssetExecutionContext, config: Training, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """Language and object heads over a frozen image trunk, trained on 2D renders of the training homes."""
    artifact = workspace.make(context, teachers.embedded, retrain=config.retrain)
    provenance = read_json(artifact.path / "provenance.json")
    return metadata.result(artifact, provenance=dg.MetadataValue.json(provenance))
