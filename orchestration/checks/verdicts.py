"""Which checks ended a run, in one line each."""

from collections.abc import Iterable, Iterator

import dagster as dg


def that_ended_it(checks: Iterable[dg.AssetCheckEvaluation]) -> Iterator[str]:
    """A line for each blocking check that failed, with what it expected and got: Dagster's own line names it alone."""
    for check in checks:
        if check.blocking and not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
            yield f"{check.asset_key.to_user_string()}: check {check.check_name} failed: {check.description}"
