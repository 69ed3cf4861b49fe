"""The page stands alone, repeats itself byte for byte, and says what it does not show."""

import base64
import csv
import gzip
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
    assert not re.search(r"https?:|//[a-z]+\.|<script[^>]+src|<link|@import|url\((?!#)", page)
    assert all(source.startswith("data:image/png;base64,") for source in re.findall(r'src="([^"]+)"', page))
    assert page.count("<img") == 12 and page.count("<svg") == 4


def test_a_room_to_turn_is_held_compressed_beside_its_pictures(written, tmp_path):
    assert 'id="packed"' not in (written[0] / "report.html").read_text()
    data = replace(written[2], page="<p>a room &amp; its words</p>" * 10_000)
    write_report(tmp_path, data, PARAMS)
    page = (tmp_path / "report.html").read_text()
    (held,) = re.findall(r'id="packed">([^<]+)<', page)
    assert gzip.decompress(base64.b64decode(held)).decode() == data.page and len(held) < 5000
    assert page.count("<img") == 12 and page.index('class="stills"') > page.index("<iframe")


def test_every_room_has_a_row_and_those_shown_a_link(written, tmp_path):
    write_report(tmp_path, replace(written[2], links={"two_bath": "../fits/two_bath.png"}), PARAMS)
    page = (tmp_path / "report.html").read_text()
    assert '<a href="#room-one_kitchen">one_kitchen</a>' in page and 'id="room-one_kitchen"' in page
    assert '<a href="../fits/two_bath.png">its fit</a>' in page and 'href="#room-two_bath"' not in page


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
        test=(room("one_kitchen", 1, noise={"student": 0.2}, pictures=False),),
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
        "PSNR 25.0 dB blind, 22.5 dB raw, medians of 3 scenes",
        "seconds, wall               encoder 30",
        "seconds of work, runs added capture 12, gaussians 60",
        "validation                  f-mIoU of taught names in 2 rooms: student ",
        "data/reports/report.html",
    ):
        assert word in text, word
    assert re.search(r"adaptation, all 5 names     f-mIoU [\d.]+ -> [\d.]+ in 2 rooms, gain 95 % \[", text)


def test_the_table_says_first_how_names_were_learnt_and_names_every_label_set(written):
    lines = render_table(written[1]).splitlines()
    assert lines[0] == "The names were learnt from labelled renders of the training homes."
    assert lines[1] == "Counted on 2 held-out rooms of one and two."
    headings = ("4 names the language teacher was taught", "1 withheld name (piano)", "all 5 names")
    places = [lines.index(heading) for heading in headings]
    assert places == sorted(places)
    zero = {heading: lines[lines.index(heading) + 1] for heading in headings}
    for heading, block in zip(headings, ("zero_shot", "zero_shot_withheld", "zero_shot_all"), strict=True):
        row = written[1][block]
        wanted = [row["chance"], None, row["points"], row["student"], row["lifted"]]
        found = zero[heading].removeprefix("  zero-shot f-mIoU").split()
        assert found == ["-" if cell is None else f"{cell['f_miou']:.1f}" for cell in wanted]


def test_foundation_teachers_have_one_label_set(written):
    data = {**written[1]["data"], "family": "foundation", "taught": written[1]["data"]["names"], "withheld": []}
    text = render_table({**written[1], "data": data})
    assert "no label of these homes taught them" in text.splitlines()[0]
    assert "was taught\n" not in text and "withheld" not in text and "all 5 names" in text


def test_validation_homes_are_named_as_such(tmp_path):
    report = write_report(tmp_path, inputs(split="validation", validation=(), validation_adaptation=()), PARAMS)
    assert "2 validation rooms of one and two" in render_table(report)
    page = (tmp_path / "report.html").read_text()
    assert "evaluation on validation homes" in page and "held-out" not in page.replace("held-out views", "")
    assert "new homes, known furniture" in " ".join(limits.sentences(report))


def test_the_page_has_a_table_for_every_label_set(written):
    page = (written[0] / "report.html").read_text()
    found = re.findall(r"<h3>(.*?)</h3>", page)
    assert found[:4] == [
        "4 names the language teacher was taught",
        "1 withheld name: piano",
        "All 5 names",
        "All 5 names",
    ]


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
    assert "homes anew, and rooms within them, 40 times" in text
    assert "2 rooms of 2 homes" in text and "fewer than 500 points" in text and "One random seed" in text
    report = {
        **written[1],
        "adaptation": {"gain": {"f_miou_interval": [-1.0, 2.0]}},
        "zero_shot_withheld": {"lifted": {"f_miou": 0.5}},
    }
    text = " ".join(limits.sentences(report))
    assert "that adaptation helps" in text and "hardly knows them" in text


@pytest.mark.parametrize(
    ("key", "where"), [("test", "held-out rooms"), ("adaptation", "held-out rooms of the second domain")]
)
def test_furniture_seen_in_training_is_counted_in_either_domain(written, key, where):
    assert "furniture model" not in " ".join(limits.sentences(written[1]))  # nothing is known of it
    kitchen, bath = getattr(written[2], key)
    rooms = (
        replace(kitchen, info={"models": {"a/chair": 3, "a/box": 1}}),
        replace(bath, info={"models": {"a/box": 4}}),
    )
    for trained, said in (
        (
            frozenset({"a/box", "a/sofa"}),
            f"1 of the 2 furniture models in {where} were .* 62 % of all items there: box",
        ),
        (frozenset({"a/sofa"}), f"None of the 2 furniture models in {where} was"),
    ):
        report = measure(inputs(**{key: rooms}, trained_models=trained), PARAMS)
        assert re.search(said, " ".join(limits.sentences(report)))


def test_a_name_never_labelled_in_training_is_said():
    report = measure(inputs(taught=("wall", "floor", "chair")), PARAMS)
    assert "Never labelled in a room trained on, so counted among all names alone: table." in limits.sentences(report)


def test_one_home_is_said_to_have_no_interval(tmp_path):
    kitchen = room("one_kitchen", 1, pictures=False)
    report = write_report(tmp_path, inputs(test=(kitchen, replace(kitchen, name="one_bath"))), PARAMS)
    assert "1 home. There is no interval" in " ".join(limits.sentences(report))
    page = (tmp_path / "report.html").read_text()
    assert "there is none for a single home" in page and "no interval" in page


def test_long_lists_are_counted():
    assert limits.listed([str(i) for i in range(20)]).endswith("9, 10 and 9 more")


def test_curves_skip_empty_cells_and_refuse_garbage(tmp_path):
    table = plots.columns(read_curves(_write_curves(tmp_path / "curves.csv")))
    assert len(table["loss"][0]) == 10 and table["object"][0][0] == 5.0


def test_sizes_read_well():
    assert [size(n) for n in (None, 12, 1500, 2_500_000)] == ["-", "12 B", "1.5 kB", "2.5 MB"]
