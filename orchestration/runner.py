"""One Dagster run in this process, and what became of it in one line."""

import functools
import time
from dataclasses import dataclass

import dagster as dg

from orchestration import records, stages

SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
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
    config = dict(SILENT)
    if retrain and stages.EMBEDDED in assets:
        config["ops"] = {stages.EMBEDDED.replace("/", "__"): {"config": {"retrain": True}}}
    result = _job(assets).execute_in_process(
        run_config=config,
        instance=records.instance(),
        partition_key=scene,
        raise_on_error=False,
        tags={"chorus/force": "true"} if force else None,
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
    keys = {records.asset_key(asset) for asset in assets}
    return records.repository().get_implicit_job_def_for_assets(keys).get_subset(asset_selection=keys)


def _first_error(result: dg.ExecuteInProcessResult) -> tuple[str, bool]:
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.blocking and check.severity is dg.AssetCheckSeverity.ERROR:
            return f"{check.asset_key.to_user_string()}: check {check.check_name} failed: {check.description}", True
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
