"""The evaluation's report from file:// with the network cut: its room turns, in light and dark, and prints."""

import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("jinja2")
sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "evaluate"))

from synthetic import inputs
from test_measure import PARAMS

from chorus.evaluate.report import write_report
from chorus.view.page import page_of
from chorus.view.session import Session
from tests.browser.pages import opened_offline
from tests.unit.view.test_session import Heights, named  # noqa: F401  a fixture


@pytest.fixture
def report(named, tmp_path):  # noqa: F811
    write_report(tmp_path, replace(inputs(), page=page_of(Session(named, Heights()))), PARAMS)
    return tmp_path / "report.html"


def opened(browser, report, **options):
    return opened_offline(browser, report, viewport={"width": 900, "height": 700}, **options)


def brightness(page) -> float:
    return float(np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"), np.float32).mean())


def test_the_room_turns_and_answers_in_light_and_dark(browser, report):
    shown = {}
    for scheme in ("light", "dark"):
        page = opened(browser, report, color_scheme=scheme)
        shown[scheme] = brightness(page)
        assert not page.locator(".stills").first.is_visible()
        page.locator("iframe").scroll_into_view_if_needed()
        room = page.frame_locator("iframe")
        room.locator("#objects button").first.wait_for()
        room.locator("#words").fill("chair")
        room.locator("#words").press("Enter")
        room.get_by_text("chair: best").wait_for()
        assert not page.wrong and not [url for url in page.asked if not url.startswith(("file:", "data:", "blob:"))]
        page.close()
    assert shown["light"] > 180 and shown["dark"] < 90


def test_without_webgl_the_pictures_stay(browser, report):
    page = browser.new_page()
    page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.goto(report.as_uri())
    assert page.locator(".stills").first.is_visible() and not page.locator("iframe").is_visible()
    page.close()


def test_it_prints_on_white_with_pictures_and_what_is_folded_away(browser, report):
    page = opened(browser, report, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".stills").first.is_visible() and not page.locator("iframe").is_visible()
    assert page.locator("details").count() == page.locator("details[open]").count() >= 2
    assert brightness(page) > 180
    assert page.pdf()[:5] == b"%PDF-"
    page.close()
