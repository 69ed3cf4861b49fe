"""What is started by hand once rooms are new: one button in the UI."""

import dagster as dg

retrain = dg.define_asset_job(
    "retrain",
    dg.AssetSelection.groups("models", "reports", "registry"),
    description="Trains, adapts, evaluates and registers the encoder: what follows the targets of all rooms.",
)
