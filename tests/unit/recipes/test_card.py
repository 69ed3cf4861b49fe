"""The card of a model, from a run's figures."""

from pathlib import Path

import pytest

from chorus.json_files import read_json
from chorus.recipes.card import card
from chorus.sources.sweethome3d.credits import LIBRARIES, credits

RUN = Path(__file__).parents[3] / "docs" / "runs" / "demo.json"


@pytest.fixture
def run() -> dict:
    return read_json(RUN)


def test_its_figures_are_those_of_the_run(run):
    run["validation"]["zero_shot"]["student"]["f_miou"] = 77.25
    text = card(run, models={"Scopia/tv": 3, "Scopia/door": 1, "own/stairs": 2}, note="A note.")
    assert "| splats, 30 names the language teacher was taught | 77.2 |" in text and "\nA note.\n" in text
    assert "2 models, drawn 4 times" in text and "Scopia Visual Interfaces Systems" in text
    assert f"on {run['rooms']['designed']} rooms of homes designed by people" in text
    assert "Names its language teacher was not taught stay unknown to it (0.0 % f-mIoU)." in text


def test_what_does_not_hold_is_not_said(run):
    run["validation"]["zero_shot_withheld"]["student"]["f_miou"] = 30.0
    run["settings"]["teachers.family"] = "foundation"
    text = card(run, models={})
    assert "stay unknown" not in text and "EfficientNet" not in text and "Sweet Home" not in text


def test_every_library_is_credited():
    lines = credits({f"{library}/model": 2 for library in LIBRARIES})
    assert len(lines) == len(LIBRARIES) and all(line.endswith("1 models, drawn 2 times") for line in lines)
    page = (RUN.parents[2] / "data" / "README.md").read_text()
    for library in ("Scopia", "BlendSwap-CC-BY", "BlendSwap-CC-0", "KatorLegaz"):
        assert library in page and library in "".join(lines)
