"""The folder the workflow tools keep their history in, and what they are told through the environment."""

import os
import shutil
from pathlib import Path

from chorus.errors import InputError
from chorus.store import Store, atomic_file
from orchestration.run import machine
from orchestration.tracking.trainings import with_driver

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
DEPLOY = "CHORUS_DEPLOY"  # of the environment: a configuration of deploy/ by name, or the path of another
CONFIGURATIONS = Path(__file__).parents[1] / "deploy"
LAPTOP, CLUSTER = "laptop", "cluster"
ASIDE = ("pools", "helm-values")  # files of deploy/ that are no instance configuration
DATABASE = "CHORUS_DATABASE"  # of the environment: where the cluster's configuration keeps the history


def prepare_state(store: Store) -> Path:
    """Create the Dagster home under the state folder, name it in the environment, and return it; name the machine in
    data/machine.yaml.

    An instance configuration already there stays, unless CHORUS_DEPLOY names one. Raises InputError for one that is not
    there, and for a cluster without a database.
    """
    given = os.environ.get("DAGSTER_HOME")
    home = Path(given).absolute() if given else store.history / "dagster"
    configuration = _configuration()
    home.mkdir(parents=True, exist_ok=True)
    written = home / "dagster.yaml"
    if not written.exists() or (os.environ.get(DEPLOY) and written.read_bytes() != configuration.read_bytes()):
        with atomic_file(written) as temporary:
            shutil.copyfile(configuration, temporary)
    machine.write(store)
    database = {DATABASE: with_driver(os.environ[DATABASE])} if os.environ.get(DATABASE) else {}
    os.environ.update({**QUIET, **database, "DAGSTER_HOME": str(home), "CHORUS_ROOT": str(store.root)})
    return home


def deployed() -> str:
    """The name of the instance configuration: laptop, gpu-box, cluster, or the file's own."""
    return _configuration().stem


def _configuration() -> Path:
    said = os.environ.get(DEPLOY) or LAPTOP
    named = {path.stem: path for path in CONFIGURATIONS.glob("*.yaml") if path.stem not in ASIDE}
    path = named.get(said, Path(said).absolute())
    if not path.is_file():
        raise InputError(DEPLOY, expected=f"{', '.join(sorted(named))}, or a file", got=said)
    if path == named[CLUSTER] and not os.environ.get(DATABASE):
        raise InputError(
            DATABASE, expected="a postgresql:// address, which the configuration cluster needs", got="none"
        )
    return path
