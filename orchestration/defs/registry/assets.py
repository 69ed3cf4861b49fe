"""The registered model."""

import dagster as dg

from chorus.json_files import read_json
from chorus.stages import EVALUATION, REGISTRY
from chorus.store import Store
from orchestration.checks import metadata
from orchestration.keys import WHEN_STALE, about, key
from orchestration.recipes import registry
from orchestration.workspace import WorkspaceResource


@dg.asset(**about(REGISTRY, "mlflow", pool="cpu", when=WHEN_STALE), deps=[key(EVALUATION)])
def chorus_encoder(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> dg.MaterializeResult:
    """The encoder as a version of the MLflow model ``chorus_encoder`` with the alias @challenger; mlflow/promote.py
    makes it @champion."""
    artifact = workspace.make(context, registry.chorus_encoder)
    made = read_json(artifact.path / "version.json")
    del made["alias"]  # as it was when the version was made: ``aliases`` says how they stand now
    return metadata.result(artifact, **shown(workspace.store, made["version"]), **made)


def shown(store: Store, version: int) -> dict[str, dg.MetadataValue]:
    """Which version bears which alias now, and where MLflow shows the version."""
    from orchestration.tracking import registration

    return {
        "aliases": dg.MetadataValue.json(registration.aliases(store)),
        "mlflow_version": dg.MetadataValue.url(registration.link(version)),
    }


def observation(store: Store, version: int, said: str) -> dg.AssetObservation:
    """What Dagster is told when an alias moves after the version was made."""
    return dg.AssetObservation(key(REGISTRY), description=said, metadata={"said": said, **shown(store, version)})
