"""Rows, the table they make, and how a document takes it."""

import json

import pytest

from benchmarks.table import COLUMNS, Row, cells, markdown, marks, put_into, report


def row(**changes) -> Row:
    return Row(
        **{
            "op": "rasterize",
            "case": "20k",
            "against": "torch",
            "milliseconds": 4.0,
            "peer_milliseconds": 100.0,
            **changes,
        }
    )


@pytest.mark.parametrize(
    ("bounds", "short"),
    [
        ({}, False),
        ({"at_least": 25}, False),
        ({"at_least": 26}, True),
        ({"at_most": 4.0}, False),
        ({"at_most": 3.9}, True),
        ({"at_share": 0.5, "flops": 2e8, "peak": 1e11}, False),
        ({"at_share": 0.51, "flops": 2e8, "peak": 1e11}, True),
    ],
)
def test_a_row_that_misses_what_was_asked_is_marked(bounds, short):
    found = row(**bounds)
    assert found.ratio == 25 and found.short == short and found.record()["falls_short"] == short
    assert cells(found, 1e9)[COLUMNS.index("")] == ("SHORT" if short else "")


def test_rates_are_operations_and_bytes_over_time():
    assert row(flops=2e8, moved=8e6).rates(1e11) == "50 GF/s, 50 %; 2.0 GB/s"
    assert row().rates(1e11) == ""


@pytest.mark.parametrize("place", ["", "avx2"])
def test_a_table_takes_the_place_of_the_old_one(tmp_path, place):
    document, (start, end) = tmp_path / "README.md", marks(place)
    other = "\n".join(marks("sse42"))
    document.write_text(f"before\n{start}\nold\n{end}\n{other}\n")
    put_into(document, markdown([row()], "a machine", 1e9), place)
    assert document.read_text().endswith(f"{end}\n{other}\n")
    lines = document.read_text().splitlines()[:-2]
    assert lines[:4] == ["before", start, "a machine", ""] and lines[-1] == end
    header, rule, only = lines[4:-1]
    assert header.count("|") == rule.count("|") == only.count("|") == len(COLUMNS) + 1
    assert only.startswith("| rasterize | 20k | torch | 4.00 | 100.0 | 25x |")


def test_a_report_prints_and_writes_every_row(tmp_path, capsys):
    report(
        "a machine", iter([row(), row(op="lift")]), 1e9, json_file=tmp_path / "a.json", markdown_file=tmp_path / "a.md"
    )
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == [
        "a machine",
        "op",
        "rasterize",
        "lift",
    ]
    assert [r["op"] for r in json.loads((tmp_path / "a.json").read_text())] == ["rasterize", "lift"]
    assert (tmp_path / "a.md").read_text().count("\n| ") == 4
