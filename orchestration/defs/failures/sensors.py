"""Runs that failed are told: a JSON line a run under the state folder, and a call of a webhook where one is named."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from chorus.store import Store, root_folder
from orchestration.checks import verdicts

WEBHOOK = "CHORUS_WEBHOOK"  # of the environment: an http(s) address that takes JSON by POST
PATIENCE = 10.0  # seconds


@dg.run_failure_sensor(default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=30)
def failures(context: dg.RunFailureSensorContext) -> None:
    """One line a failed run in .state/failures.jsonl; the same to CHORUS_WEBHOOK, whose silence loses nothing."""
    line = about(context)
    store = Store(root_folder())
    store.state.mkdir(parents=True, exist_ok=True)
    with open(store.state / "failures.jsonl", "a") as file:
        file.write(json.dumps(line) + "\n")
    address = os.environ.get(WEBHOOK)
    if address:
        try:
            call(address, line)
        except (OSError, ValueError) as error:
            context.log.warning(f"{WEBHOOK}: expected an answer, got {error}. The line is in {store.state}.")


def about(context: dg.RunFailureSensorContext) -> dict[str, str | list[str] | None]:
    """Which run, of which assets and scene, when, and why in one line."""
    run, instance = context.dagster_run, context.instance
    steps = [event for event in context.get_step_failure_events() if event.step_failure_data]
    checks = _events(instance, run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION) if steps else []
    ended = verdicts.that_ended_it(event.event_specific_data for event in checks)
    said = "; ".join(ended) or reason(steps[0] if steps else context.failure_event)
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "run": run.run_id,
        "assets": _assets(instance, run.run_id),
        "scene": scene(run.tags),
        "step": (steps[0].step_key or "").replace("__", "/") if steps else None,
        "reason": " ".join(said.split()),
    }


def _assets(instance: dg.DagsterInstance, run: str) -> list[str]:
    """Those that the run was to make."""
    planned = _events(instance, run, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
    return sorted({event.asset_key.to_user_string() for event in planned if event.asset_key})


def _events(instance: dg.DagsterInstance, run: str, kind: dg.DagsterEventType) -> list[dg.DagsterEvent]:
    return [entry.dagster_event for entry in instance.all_logs(run, of_type=kind) if entry.dagster_event]


def scene(tags: Mapping[str, str]) -> str | None:
    """The scene of a run, or the first and the last of a batch; None for a run of neither."""
    ends = [tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end")]
    return f"{ends[0]} to {ends[1]}" if all(ends) else tags.get("dagster/partition")


def reason(event: dg.DagsterEvent) -> str:
    """What a person wrote about it where somebody did, else the exception's own words."""
    if event.is_step_failure:
        data = event.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return data.user_failure_data.description
        error = data.error.cause or data.error if data.error else None
        if error is not None:
            return error.message
    return event.message or "no reason was recorded"


def call(address: str, line: dict) -> None:
    """POST the line. Raises OSError or ValueError where nobody takes it."""
    if not address.startswith(("http://", "https://")):
        raise ValueError("an address that is not http")
    body = json.dumps(line).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE):
        pass
