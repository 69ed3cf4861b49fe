"""The results of a Markdown file are the report's, and what stands around them stays."""

import pytest
from synthetic import inputs
from test_measure import PARAMS

from chorus.errors import InputError, MissingError
from chorus.evaluate import markdown
from chorus.evaluate.report import write_report
from chorus.evaluate.table import read_metrics, render_table

FILE = "# Title\n\nbefore\n\n<!-- results -->\nOLD\n<!-- /results -->\n\nafter\n"


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    write_report(folder, inputs(), PARAMS)
    return folder


def test_only_the_block_is_written_and_the_report_is_kept_beside(reports, tmp_path):
    file = tmp_path / "README.md"
    file.write_text(FILE)
    _, copy, picture = markdown.update(file, reports)
    before, block, after = markdown.split(file)
    assert (before, after) == ("# Title\n\nbefore\n\n", "\n\nafter\n")
    assert copy == tmp_path / "docs" / "metrics.json"
    assert copy.read_bytes() == (reports / "metrics.json").read_bytes()
    assert block == markdown.block(read_metrics(copy.parent)) and "OLD" not in block
    assert picture == tmp_path / "docs" / "picture.png" and picture.stat().st_size < 1_000_000
    written = file.read_bytes()
    markdown.update(file, reports)
    assert file.read_bytes() == written


def test_another_page_has_a_folder_of_its_own(reports, tmp_path):
    file = tmp_path / "demo.md"
    file.write_text(FILE)
    assert markdown.update(file, reports) == [file, tmp_path / "demo/metrics.json", tmp_path / "demo/picture.png"]


def test_the_block_holds_the_tables_the_settings_and_short_hashes(reports):
    report = read_metrics(reports)
    block = markdown.block(report)
    assert f"```text\n{render_table(report)}\n```\n" in block
    assert "Labels were read in two places" in block and "distill.steps 900, seed 0" in block
    assert "models/encoder `abababababab`" in block and "the scored rooms `" in block and "ab" * 7 not in block
    other = {**report, "provenance": {**report["provenance"], "targets of one_kitchen": "ef" * 32}}
    assert markdown.block(other) != block


@pytest.mark.parametrize("text", ["none", "<!-- results -->", "<!-- /results --><!-- results -->", FILE + FILE])
def test_a_file_without_its_two_markers_is_left_alone(reports, tmp_path, text):
    file = tmp_path / "README.md"
    file.write_text(text)
    with pytest.raises(InputError, match="once each"):
        markdown.update(file, reports)
    assert file.read_text() == text and not (tmp_path / "docs").exists()


def test_what_is_absent_is_named(reports, tmp_path):
    with pytest.raises(InputError, match="readable Markdown file"):
        markdown.update(tmp_path / "absent.md", reports)
    with pytest.raises(MissingError, match="make demo"):
        markdown.update(tmp_path / "absent.md", tmp_path)
