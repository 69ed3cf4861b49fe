"""The scaling curve: which rooms a training gets, and what is drawn of its figures."""

import copy
from pathlib import Path

import pytest

from benchmarks.scaling import NAMES, Run, draw, lines, points
from chorus.errors import InputError
from chorus.json_files import read_json, write_json
from chorus.recipes.trial import lay_out
from chorus.workspace import Workspace

ROOT = Path(__file__).parents[2]


def test_more_rooms_hold_the_fewer(tmp_path, monkeypatch):
    monkeypatch.delenv("CHORUS_PARAMS", raising=False)
    laid = lay_out(Workspace.open(ROOT), tmp_path / "trial", designed=30, generated=40)
    few, many = Run("both", 20, 0).of(laid), Run("both", 60, 0).of(laid)
    assert len(few) == 20 and len(many) == 60 and set(few) < set(many)
    assert sum(name.startswith("gen-") for name in few) == 10
    assert len(Run("generated", 40, 0).of(laid)) == 40 and "gen-0001" not in Run("designed", 30, 0).of(laid)
    checks = set(laid.rooms(split="validation", domain="main"))
    assert checks and not checks & set(many)


def runs(folder: Path) -> None:
    """Figures of two kinds, three counts and two seeds; f-mIoU is rooms / 10 + seed."""
    base = read_json(ROOT / "docs" / "runs" / "demo.json")
    for kind in ("designed", "both"):
        for rooms in (24, 100, 400):
            for seed in (0, 1):
                found = copy.deepcopy(base) | {"curve": {"kind": kind, "rooms": rooms}, "seed": seed}
                found["validation"][NAMES]["student"]["f_miou"] = rooms / 10 + seed
                write_json(folder / f"{Run(kind, rooms, seed).name}.json", found)
    write_json(folder / "demo.json", base)  # no point of the curve


def test_the_figure_and_its_table(tmp_path, capsys):
    with pytest.raises(InputError, match="expected figures of trainings, got none"):
        draw(tmp_path / "curve.png", tmp_path)
    runs(tmp_path)
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- benchmark scaling -->\n<!-- end of benchmark scaling -->\nafter\n")
    draw(tmp_path / "curve.png", tmp_path, markdown=page)
    assert "| 100 | both | 2 | 10.5 (10.0 to 11.0) |" in page.read_text() and page.read_text().endswith("after\n")
    told = capsys.readouterr().out
    assert "| 100 | both | 2 | 10.5 (10.0 to 11.0) |" in told and "6 points" in told
    assert (tmp_path / "curve.png").stat().st_size > 10_000
    table = points(read_json(path) for path in sorted(tmp_path.glob("scaling-*.json")))
    assert lines(table)["splats, designed"] == {24: [2.4, 3.4], 100: [10.0, 11.0], 400: [40.0, 41.0]}
