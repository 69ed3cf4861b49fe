"""Retraining by itself: off until it is switched on in the UI."""

import dagster as dg

retraining = dg.AutomationConditionSensorDefinition(
    "retraining",
    target=dg.AssetSelection.groups("models", "reports", "registry"),
    default_status=dg.DefaultSensorStatus.STOPPED,
    minimum_interval_seconds=60,
    description="Trains, evaluates and registers anew when new rooms or a new recipe made the encoder stale.",
)
