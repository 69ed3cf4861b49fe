"""The page stands alone, repeats itself byte for byte, and says what it does not show."""

import csv
import json
import re
from dataclasses import replace

import pytest
from synthetic import inputs, room
from test_measure import FIXED, PARAMS

from chorus.errors import InputError, MissingError
from chorus.evaluate import limits, plots
from chorus.evaluate.measure import measure
from chorus.evaluate.report import size, write_report
from chorus.evaluate.table import read_metrics, render_table
from chorus.train.curves import read_curves


def _write_curves(path):
    with open(path, "w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["step", "loss", "object"])
        rows.writerows([[step, 2.0 / (step + 1), "" if step < 5 else 0.5] for step in range(10)])
    return path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    data = inputs(curves={"encoder": _write_curves(folder / "curves.csv")})
    return folder, write_report(folder, data, PARAMS), data


def test_the_page_needs_nothing_from_outside(written):
    page = (written[0] / "report.html").read_text()
    assert not re.search(r"https?:|//[a-z]+\.|<script|<link|@import|url\((?!#)", page)
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]+)"', page))
    assert page.count("<img") == 12 and page.count("<svg") == 2


def test_the_page_explains_its_limits_and_its_origin(written):
    page = (written[0] / "report.html").read_text()
    for text in (
        "What these numbers do not show",
        "piano",
        "abababab",
        "prefers-color-scheme: dark",
        "student (Gaussians)",
    ):
        assert text in page


def test_metrics_are_strict_json_with_the_fixed_keys(written):
    folder, report, _ = written
    assert read_metrics(folder) == report
    for path in FIXED:
        value = report
        for key in path.split("."):
            value = value[key]
        assert isinstance(value, (int, float)), path
    assert "NaN" not in (folder / "metrics.json").read_text()


def test_a_second_run_gives_the_same_bytes(written, tmp_path):
    folder, _, data = written
    write_report(tmp_path, data, PARAMS)
    for name in ("report.html", "metrics.json", "plots/curves.png", "plots/one_kitchen_color_above.png"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_report_without_rooms_to_show_or_curves_still_stands(tmp_path):
    bare = inputs(
        held_out=(room("one_kitchen", 1, noise={"student": 0.2}, pictures=False),),
        probe_train=(),
        adaptation=(),
        storage={},
        seconds={},
    )
    write_report(tmp_path, bare, PARAMS)
    assert "<svg" in (tmp_path / "report.html").read_text()


def test_the_table_shows_every_method_and_the_page(written):
    text = render_table(written[1], "data/reports/report.html")
    for word in (
        "chance",
        "student",
        "teacher",
        "adaptation f-mIoU",
        "25.0 dB median of 3 scenes",
        "data/reports/report.html",
    ):
        assert word in text
    assert len({len(line) for line in text.splitlines()[:8]}) == 1


def test_an_absent_or_damaged_metrics_file_is_named(tmp_path):
    with pytest.raises(MissingError, match=r"metrics.json.*make demo"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(InputError, match="expected JSON"):
        read_metrics(tmp_path)
    with pytest.raises(InputError, match="keys of an evaluation"):
        render_table(json.loads("{}"))


def test_limits_name_rare_absent_and_unsettled_things(written):
    text = " ".join(limits.sentences(written[1]))
    assert "2 rooms of 2 homes" in text and "fewer than 500 points" in text and "One random seed" in text
    report = {
        **written[1],
        "adaptation": {"gain": {"f_miou_interval": [-1.0, 2.0]}},
        "zero_shot_withheld": {"lifted": {"f_miou": 0.5}},
    }
    text = " ".join(limits.sentences(report))
    assert "that adaptation helps" in text and "hardly knows them" in text


def test_furniture_seen_in_training_is_named(written):
    assert "furniture model" not in " ".join(limits.sentences(written[1]))  # nothing is known of it
    kitchen, bath = written[2].held_out
    held_out = (
        replace(kitchen, info={"models": {"a/chair": 3, "a/box": 1}}),
        replace(bath, info={"models": {"a/box": 4}}),
    )
    for trained, said in (
        (frozenset({"a/box", "a/sofa"}), "1 of the 2 furniture models .* 62 % of all items there: box"),
        (frozenset({"a/sofa"}), "None of the 2"),
    ):
        report = measure(inputs(held_out=held_out, trained_models=trained), PARAMS)
        assert report["data"]["models"]["items"] == 8 and re.search(said, " ".join(limits.sentences(report)))


def test_curves_skip_empty_cells_and_refuse_garbage(tmp_path):
    table = plots.columns(read_curves(_write_curves(tmp_path / "curves.csv")))
    assert len(table["loss"][0]) == 10 and table["object"][0][0] == 5.0


def test_sizes_read_well():
    assert [size(n) for n in (None, 12, 1500, 2_500_000)] == ["-", "12 B", "1.5 kB", "2.5 MB"]
