"""Suites: severities, gaps, missing columns, and what a person reads."""

import dagster as dg

from orchestration.checks.expectations import between, check, includes, known, rows

TABLE = [
    {"view": 0, "psnr": 25.0, "class": "wall"},
    {"view": 1, "psnr": 17.0, "class": "floor"},
    {"view": 2, "psnr": float("nan"), "class": "bed"},
]


def test_all_met():
    result = check(TABLE, [rows(3, "views"), between("psnr", 10, 30), includes("class", ["wall", "floor"])])
    assert result.passed and result.description == "3 expectations met by 3 rows"


def test_a_critical_failure_is_an_error_that_names_the_value():
    result = check(TABLE, [between("psnr", 18), between("psnr", 24, severity="warning")])
    assert not result.passed and result.severity is dg.AssetCheckSeverity.ERROR
    assert result.description == "expected psnr at least 18, got 17 (1 of 3 rows)"


def test_a_warning_alone_lets_pass_on():
    result = check(TABLE, [between("psnr", 18, severity="warning"), rows(2, "views")])
    assert not result.passed and result.severity is dg.AssetCheckSeverity.WARN


def test_gaps_are_seen_only_when_asked_for():
    assert check(TABLE, [between("psnr", 10)]).passed
    assert "without gaps" in check(TABLE, [known("psnr")]).description


def test_what_is_absent_is_named():
    assert "got no such column" in check(TABLE, [between("ssim", 0.5)]).description
    assert "got none of sofa" in check(TABLE, [includes("class", ["wall", "sofa"])]).description
    assert "got 3" in check(TABLE, [rows(5, "views")]).description
    assert not check([], [rows(1, "views")]).passed


def test_every_line_reaches_the_ui():
    lines = check(TABLE, [between("psnr", 18), rows(3, "views")]).metadata["expectations"].value
    assert [line["passed"] for line in lines] == [False, True] and lines[0]["severity"] == "critical"
