"""The folder the workflow tools keep their history in, and what they are told through the environment."""

import os
import shutil
from pathlib import Path

from chorus.store import Store
from orchestration.run import machine

QUIET = {  # nothing is told to their makers, and nothing pickled is read: a model of ours is code and safetensors
    "DAGSTER_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # seven processes of 170 MB that nothing here gives work to
}
CODE_LOCATION = "orchestration.definitions"  # the module the UI serves, and runs are recorded as of
LAPTOP = Path(__file__).parents[1] / "deploy" / "laptop.yaml"


def prepare_state(store: Store) -> Path:
    """Create the Dagster home under the state folder, name it in the environment, and return it; name the machine in
    data/machine.yaml. An instance configuration already there stays."""
    given = os.environ.get("DAGSTER_HOME")
    home = Path(given).absolute() if given else store.history / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(LAPTOP, home / "dagster.yaml")
    machine.write(store)
    os.environ.update({**QUIET, "DAGSTER_HOME": str(home), "CHORUS_ROOT": str(store.root)})
    return home
