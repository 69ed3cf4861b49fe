"""One Dagster run in this process, and what became of it in one line."""

import contextlib
import functools
import os
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from chorus.stages import EMBEDDED
from chorus.train.processes import this_process
from orchestration import console
from orchestration.checks import verdicts
from orchestration.keys import key
from orchestration.run import history
from orchestration.run.state import CODE_LOCATION
from orchestration.workspace import FORCE, PROCESS

INTERRUPTS = {"KeyboardInterrupt", "DagsterExecutionInterruptedError"}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """error: one line, empty when all went well; foreseen: the user's to mend (bad input, a failed check) rather than a
    defect."""

    assets: tuple[str, ...]
    scene: str | None = None
    error: str = ""
    foreseen: bool = True
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()


def run(assets: tuple[str, ...], scene: str | None = None, *, force: bool = False, retrain: bool = False) -> Outcome:
    """Materialize assets of one scene (or assets without partitions) with their checks, as one recorded run."""
    start = time.perf_counter()
    os.environ[console.LEVEL] = "CRITICAL"  # what goes wrong is told in one line, by the caller
    trained = retrain and EMBEDDED in assets
    config = {"ops": {EMBEDDED.replace("/", "__"): {"config": {"retrain": True}}}} if trained else {}
    keys, run_id = [key(asset) for asset in assets], str(uuid.uuid4())
    with _known_to_the_ui(history.instance()) as instance:
        result = _job(assets).execute_in_process(
            run_config=config,
            instance=instance,
            asset_selection=keys,
            partition_key=scene,
            raise_on_error=False,
            run_id=run_id,
            tags={PROCESS: f"{run_id} {this_process()}", **({FORCE: "true"} if force else {})},
        )
    error, foreseen = _first_error(result)
    return Outcome(
        assets=assets,
        scene=scene,
        error=error,
        foreseen=foreseen,
        seconds=time.perf_counter() - start,
        warnings=_warnings(result),
    )


@functools.cache
def _job(assets: tuple[str, ...]) -> dg.JobDefinition:
    return history.repository().get_implicit_job_def_for_assets([key(asset) for asset in assets])


@contextlib.contextmanager
def _known_to_the_ui(instance: dg.DagsterInstance) -> Iterator[dg.DagsterInstance]:
    """While this lasts, runs are recorded as runs of the code location that ``make ui`` serves: a run in process has
    no origin of its own, and without one the UI can neither say what it is of nor execute it again."""
    create = instance.create_run_for_job

    def create_run(job_def: dg.JobDefinition, **options):
        return create(job_def=job_def, remote_job_origin=_origin(job_def.name), **options)

    instance.create_run_for_job = create_run
    try:
        yield instance
    finally:
        del instance.create_run_for_job


def _origin(job: str) -> RemoteJobOrigin:
    loadable = LoadableTargetOrigin(
        executable_path=sys.executable, module_name=CODE_LOCATION, working_directory=str(Path.cwd())
    )
    location = ManagedGrpcPythonEnvCodeLocationOrigin(loadable, location_name=CODE_LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job)


def _first_error(result: dg.ExecuteInProcessResult) -> tuple[str, bool]:
    for line in verdicts.that_ended_it(result.get_asset_check_evaluations()):
        return line, True
    for event in result.all_events:
        if event.is_step_failure:
            data, asset = event.step_failure_data, event.step_key.replace("__", "/")
            if data.user_failure_data is not None:
                return f"{asset}: {data.user_failure_data.description}", True
            cause = data.error.cause or data.error
            if {data.error.cls_name, cause.cls_name} & INTERRUPTS:
                raise KeyboardInterrupt  # Dagster notes it as a failed step and would let the next run begin
            return f"{asset}: {' '.join(cause.message.split())}", False
    return ("", True) if result.success else ("the run failed; its page in the Dagster UI has the reason", False)


def _warnings(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    return tuple(
        f"{check.asset_key.to_user_string()}: {check.check_name}: {check.description}"
        for check in result.get_asset_check_evaluations()
        if not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    )
