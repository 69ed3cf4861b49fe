"""What is started by hand: one button in the UI each."""

import dagster as dg

from chorus.stages import EVALUATION
from orchestration.tracking import seeds as more
from orchestration.workspace import WorkspaceResource, red_asset

retrain = dg.define_asset_job(
    "retrain",
    dg.AssetSelection.groups("models", "reports", "registry"),
    description="Trains, adapts, evaluates and registers the encoder: what follows the targets of all rooms.",
)


class Seeds(dg.Config):
    """Which seeds, beside the one of params.yaml."""

    seeds: list[int] = [1, 2]


@dg.op(pool="gpu")
def other_seeds(context: dg.OpExecutionContext, config: Seeds, workspace: WorkspaceResource) -> None:
    """Each is a run nested in the encoder's own, in MLflow; what all of them say together stands on the encoder's."""
    with red_asset():
        table = more.train(workspace.open_for(EVALUATION), config.seeds)
    for variant, row in table.items():
        context.log.info(f"{variant}: {', '.join(f'{name} {value:.4g}' for name, value in row.items())}")


@dg.job(description="Trains the encoder once more with other seeds: how far its figures differ by chance alone.")
def seeds() -> None:
    other_seeds()
