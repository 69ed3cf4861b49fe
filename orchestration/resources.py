"""The workspace: one project folder with its store, its parameters and the state of the workflow tools."""

import contextlib
import os
import time
from pathlib import Path

import dagster as dg

from chorus.errors import ChorusError
from chorus.params import Params, load_params
from chorus.store import Artifact, Store, root_folder

QUIET = {
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
DAGSTER_YAML = """\
telemetry:
  enabled: false
python_logs:
  managed_python_loggers: [chorus]
  python_log_level: INFO
run_queue:
  max_concurrent_runs: 2
# Capturing a run's output starts four processes a run, half of the time of a short one: it goes to the terminal.
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
"""


def prepare_state(store: Store) -> Path:
    """Create the Dagster home under the state folder, name it in the environment, and return it."""
    home = Path(os.environ.get("DAGSTER_HOME") or store.state / "dagster").resolve()
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        (home / "dagster.yaml").write_text(DAGSTER_YAML)
    os.environ.update({**QUIET, "DAGSTER_HOME": str(home), "CHORUS_ROOT": str(store.root)})
    return home


@contextlib.contextmanager
def red_asset():
    """A ChorusError becomes the one-line failure of the asset; anything else keeps its stack trace."""
    try:
        yield
    except ChorusError as error:
        raise dg.Failure(
            description=str(error), metadata={"error": type(error).__name__}, allow_retries=False
        ) from error


class Workspace(dg.ConfigurableResource):
    """root: the project folder; CHORUS_ROOT or the working directory when empty."""

    root: str = ""

    @property
    def store(self) -> Store:
        return Store(Path(self.root).resolve() if self.root else root_folder())

    @property
    def params(self) -> Params:
        return load_params(self.store.root / "params.yaml")

    def make(self, context: dg.AssetExecutionContext, *, retrain: bool = False) -> Artifact:
        """The artifact of the asset being materialized: made now, or the one there when it still matches."""
        from orchestration import stages

        asset = context.asset_key.to_user_string()
        scene = context.partition_key if context.has_partition_key else None
        with red_asset():
            start = time.perf_counter()
            plan = stages.plan(asset, self.store, self.params, scene=scene, retrain=retrain)
            artifact = plan.run(force=context.run.tags.get("chorus/force") == "true")
            if artifact.fresh:
                stages.record_seconds(self.store, asset, scene, time.perf_counter() - start)
        return artifact
