"""The viewer as people use it: type, see the heat map, click, export."""

import io
import time

import numpy as np
import pytest
from PIL import Image

from chorus.io import read_ply
from chorus.view.session import Session
from chorus.view.viewer import Viewer
from tests.unit.view.test_session import Heights, named  # noqa: F401  a fixture

pytest.importorskip("viser")


@pytest.fixture
def viewer(named, tmp_path):  # noqa: F811
    shown = Viewer([Session(named, Heights())], port=None, folder=tmp_path)
    yield shown
    shown.close()


def picture(page) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"), np.float32)


def until(happened, *, seconds: float = 60.0):
    """What a condition gives once it holds."""
    end = time.time() + seconds
    while time.time() < end:
        found = happened()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError("did not happen in time")


@pytest.fixture
def wrong(page) -> list[str]:
    """What the console calls an error, but for one line of viser 1.1: the quad that each of its splats is drawn as has
    two coordinates a corner, and three.js, which measures a sphere around every mesh once, finds no third one. It is
    drawn all the same."""
    found = []
    quad = "computeBoundingSphere(): Computed radius is NaN"
    page.on("console", lambda said: found.append(said.text) if said.type == "error" and quad not in said.text else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def colored(page) -> int:
    """Saturated pixels left of the panel: a heat map has them, a black room on white has not."""
    shown = picture(page)[:, :480]
    return int(((shown.max(axis=2) - shown.min(axis=2)) > 90).sum())


def test_words_heat_click_export(viewer, page, wrong, tmp_path):
    page.goto(viewer.address)
    words = page.locator("textarea:visible")
    words.wait_for()
    until(lambda: (picture(page)[:, :480].max(axis=2) < 80).sum() > 500)  # the room is drawn
    plain = colored(page)
    words.fill("a chair")
    words.press("Enter")
    page.get_by_text("2 objects").wait_for()
    until(lambda: colored(page) > plain + 20)
    before = next(iter(viewer.server.get_clients().values())).camera.position.copy()
    page.get_by_role("button", name="a chair").first.click()
    until(lambda: np.linalg.norm(next(iter(viewer.server.get_clients().values())).camera.position - before) > 0.2)
    time.sleep(1.0)
    page.mouse.click(400, 250)  # what was flown to stands in the middle
    page.get_by_role("button", name="export the object").wait_for()
    page.get_by_role("button", name="export the object").click()
    path = until(lambda: next(iter(tmp_path.glob("room-*.ply")), None))
    until(lambda: "chair" in path.name and len(read_ply(path)) == 50)
    assert not wrong


def test_an_empty_question_is_a_line_and_the_server_stays(viewer, page):
    page.goto(viewer.address)
    page.locator("textarea:visible").wait_for()
    page.get_by_role("button", name="ask").click()
    page.get_by_text("words to look for").wait_for()
    page.locator("textarea:visible").fill("a lamp")
    page.get_by_role("button", name="ask").click()
    page.get_by_text("1 object").wait_for()


def test_who_has_the_token_looks(named, page, tmp_path):  # noqa: F811
    token = "a-token-of-some-length-0123"
    shown = Viewer([Session(named, Heights())], token=token, folder=tmp_path)
    try:
        page.goto(shown.address)
        page.locator("input").fill("another")
        page.keyboard.press("Enter")
        page.get_by_text("asks for its token").wait_for()
        page.locator("input").fill(token)
        page.keyboard.press("Enter")
        page.locator("textarea:visible").wait_for()
        until(lambda: (picture(page)[:, :480].max(axis=2) < 80).sum() > 500)  # the room is drawn
        assert token not in page.url
    finally:
        shown.close()


def test_nobody_can_have_it_shared_with_the_world(viewer, page):
    """viser's own pages have a button that opens a tunnel to a server of its makers."""
    page.goto(viewer.address)
    page.locator("textarea:visible").wait_for()
    assert page.get_by_label("Share").count() == 0 and page.get_by_text("Share").count() == 0
    assert viewer.server.request_share_url() is None
