"""Where the steps of a run compute: CHORUS_EXECUTOR of the environment, of the code server and of the runs alike."""

import os
from collections.abc import Callable

import dagster as dg

from chorus.errors import MissingError
from chorus.names import one_of

EXECUTOR = "CHORUS_EXECUTOR"


def chosen() -> dg.ExecutorDefinition:
    """The executor that is named; in the run's own process where none is. Raises InputError for an unknown one,
    MissingError for one whose package is not installed."""
    said = os.environ.get(EXECUTOR) or "in_process"
    return _EXECUTORS[one_of(said, _EXECUTORS, EXECUTOR)]()


def _ray() -> dg.ExecutorDefinition:
    """A step is a job of the Ray cluster whose dashboard RAY_ADDRESS names (it needs ray[default]), on any of its nodes
    that has a core free: a job that asks for none would compute beside the dashboard."""
    try:
        from dagster_ray import ray_executor
    except ImportError as error:
        raise _missing("ray", "dagster-ray") from error
    return ray_executor.configured({"ray": {"num_cpus": 1}}, name="ray")


def _k8s() -> dg.ExecutorDefinition:
    """A step is a job of the Kubernetes cluster that the run is a pod of."""
    try:
        from dagster_k8s import k8s_job_executor
    except ImportError as error:
        raise _missing("k8s", "dagster-k8s") from error
    return k8s_job_executor


def _missing(said: str, package: str) -> MissingError:
    return MissingError(
        f"{EXECUTOR}={said}", expected=f"the package {package}", got="none", fix=f"Run: pip install {package}."
    )


_EXECUTORS: dict[str, Callable[[], dg.ExecutorDefinition]] = {
    "in_process": lambda: dg.in_process_executor,
    "multiprocess": lambda: dg.multiprocess_executor,
    "ray": _ray,
    "k8s": _k8s,
}
