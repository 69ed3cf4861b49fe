"""Great Expectations over small tables: suites in code, an ephemeral context, one asset check a suite.

Critical expectations stop what comes after; warnings are shown and let it pass.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg

from chorus.capture_checks import Rule

Row = Mapping[str, object]


@dataclass(frozen=True)
class Expect:
    """One expectation: the name of its Great Expectations class, its arguments, and how it reads."""

    kind: str
    arguments: dict
    says: str
    severity: str = "critical"  # or "warning"
    fix: str = ""  # what to do where it fails; may hold names of columns, of the first row


def between(
    column: str,
    low: float | None = None,
    high: float | None = None,
    *,
    severity: str = "critical",
    mostly: float = 1.0,
    fix: str = "",
) -> Expect:
    """Every value (or the share ``mostly`` of them) lies in [low, high]; empty cells are passed over."""
    bounds = " and ".join(
        f"{sign} {value:g}" for sign, value in (("at least", low), ("at most", high)) if value is not None
    )
    share = f" in {mostly:.0%} of rows" if mostly < 1 else ""
    arguments = {"column": column, "min_value": low, "max_value": high, "mostly": mostly}
    return Expect("ExpectColumnValuesToBeBetween", arguments, f"{column} {bounds}{share}", severity, fix)


def of_rules(rules: Sequence[Rule], table: Sequence[Row]) -> list[Expect]:
    """The library's own rules of a capture as expectations, of the columns that a table has."""
    return [
        between(
            rule.column,
            rule.low,
            rule.high,
            mostly=rule.mostly,
            severity="critical" if rule.severity == "error" else "warning",
            fix=rule.fix,
        )
        for rule in rules
        if any(rule.column in row for row in table)
    ]


def known(column: str, *, severity: str = "critical") -> Expect:
    """No cell is empty or NaN."""
    return Expect("ExpectColumnValuesToNotBeNull", {"column": column}, f"{column} without gaps", severity)


def rows(low: int, what: str, *, severity: str = "critical") -> Expect:
    """At least so many rows."""
    return Expect("ExpectTableRowCountToBeBetween", {"min_value": low}, f"at least {low} {what}", severity)


def includes(column: str, values: Sequence[str], *, severity: str = "critical") -> Expect:
    """Every one of these values occurs."""
    return Expect(
        "ExpectColumnDistinctValuesToContainSet",
        {"column": column, "value_set": list(values)},
        f"{column} {', '.join(values)}",
        severity,
    )


def validate(table: Sequence[Row], suite: Sequence[Expect]) -> list[dict]:
    """One line an expectation: passed, severity, expected, got."""
    failed = [i for i, (passed, _) in enumerate(_asked(table, suite, "BOOLEAN_ONLY")) if not passed]
    found = _asked(table, [suite[i] for i in failed], "SUMMARY") if failed else []  # twice the work: of these alone
    got = {i: _found(result, len(table)) for i, (_, result) in zip(failed, found, strict=True)}
    return [
        {
            "passed": i not in got,
            "severity": expect.severity,
            "expected": expect.says,
            "got": got.get(i, "as expected"),
            "fix": _fix(expect, table),
        }
        for i, expect in enumerate(suite)
    ]


def _asked(table: Sequence[Row], suite: Sequence[Expect], detail: str) -> list[tuple[bool, Mapping]]:
    """Whether each expectation is met, and what was found, as much as ``detail`` (a result format) says."""
    import pandas as pd

    gx, batches = _context()
    frame = pd.DataFrame([{name: None if _is_nan(value) else value for name, value in row.items()} for row in table])
    made = [getattr(gx.expectations, e.kind)(**e.arguments, meta={"row": i}) for i, e in enumerate(suite)]
    outcome = batches.get_batch({"dataframe": frame}).validate(
        gx.ExpectationSuite(name="suite", expectations=made), result_format=detail
    )
    found: list[tuple[bool, Mapping]] = [(False, {})] * len(suite)
    for result in outcome.results:
        found[result.expectation_config.meta["row"]] = bool(result.success), result.result
    return found


def check(table: Sequence[Row], suite: Sequence[Expect]) -> dg.AssetCheckResult:
    """Validate a table. The description names what failed; only a critical failure is an error."""
    lines = validate(table, suite)
    failed = [line for line in lines if not line["passed"]]
    critical = [line for line in failed if line["severity"] == "critical"]
    said = "; ".join(
        f"expected {line['expected']}, got {line['got']}.{line['fix']}".rstrip(".") for line in critical or failed
    )
    return dg.AssetCheckResult(
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if critical else dg.AssetCheckSeverity.WARN,
        description=said or f"{len(lines)} expectations met by {len(table)} row{'s' if len(table) != 1 else ''}",
        metadata={"expectations": dg.MetadataValue.json(lines), "rows": len(table)},
    )


@functools.cache
def _context():
    """The module (seconds to import) and the batch definition every table goes through; once a process."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return gx, context.data_sources.add_pandas("tables").add_dataframe_asset(
        "table"
    ).add_batch_definition_whole_dataframe("whole")


def _fix(expect: Expect, table: Sequence[Row]) -> str:
    """What to do, a blank before it; nothing where the advice needs a column that is not there."""
    try:
        return f" {expect.fix.format(**{**(table[0] if table else {}), 'value': ''})}" if expect.fix else ""
    except (KeyError, ValueError):
        return ""


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _found(result: Mapping, count: int) -> str:
    """The part of a validation result a person wants to read."""
    if not result:
        return "no such column"
    if result.get("partial_missing_list"):
        return f"none of {', '.join(map(str, result['partial_missing_list']))}"
    if "unexpected_count" in result:
        values = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in result.get("partial_unexpected_list", [])[:3]]
        return f"{', '.join(values)} ({result['unexpected_count']} of {count} rows)" if values else "nothing amiss"
    return str(result.get("observed_value", "nothing"))
