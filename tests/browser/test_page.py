"""The page that needs no server, opened from file:// with the network cut."""

import numpy as np
import pytest

from chorus.view.page import write_page
from chorus.view.session import Session
from tests.browser.pages import opened_offline
from tests.unit.view.test_session import Heights, named  # noqa: F401  a fixture


@pytest.fixture
def session(named):  # noqa: F811
    return Session(named, Heights())


@pytest.fixture(params=["light", "dark"])
def opened(request, session, browser, tmp_path):
    path = write_page(tmp_path / "room.html", session, words=["my own lamp"])
    page = opened_offline(browser, path, viewport={"width": 800, "height": 500}, color_scheme=request.param)
    page.wait_for_function("window.page")
    yield page
    assert not page.wrong  # whatever a test did, the console is empty
    page.close()


def test_words_are_answered_as_the_library_does(opened, session):
    for word in ("chair", "my own lamp"):
        opened.fill("#words", word)
        opened.press("#words", "Enter")
        opened.wait_for_function(f"document.getElementById('said').textContent.startsWith('{word}')")
        score = np.array(opened.evaluate("Array.from(window.page.score)"))
        np.testing.assert_allclose(score, session.search.ask(word).score, atol=0.02)
    opened.fill("#words", "zeppelin")
    opened.press("#words", "Enter")
    assert "is not among" in opened.inner_text("#said")
    assert [url for url in opened.asked if not url.startswith(("file:", "data:", "blob:"))] == []


def test_rays_meet_what_the_library_meets(opened, session):
    draw = np.random.default_rng(0)
    for _ in range(30):
        origin, target = draw.uniform((0, -3, 3), (4, -2, 4)), draw.uniform((0, 0, 0), (4, 2, 2.4))
        ray = (target - origin) / np.linalg.norm(target - origin)
        script = """([o, d]) => { const V = window.page.camera.position.constructor;
            const hit = window.page.pick(new V(...o), new V(...d)); return hit ? hit.row : -1; }"""
        found = opened.evaluate(script, [origin.tolist(), ray.tolist()])
        hit = session.click(origin, ray)
        assert found == (-1 if hit is None else hit.hit.row)


def test_colors_objects_and_flight(opened):
    assert opened.locator("#objects button").count() == 3  # two chairs and a lamp; the floor is no object
    colors = {}
    for mode in ("rgb", "PCA", "names", "instances", "rgb | PCA"):
        opened.select_option("#mode", mode)
        colors[mode] = np.array(opened.evaluate("Array.from(window.page.colors)"))
    assert not np.allclose(colors["rgb"], colors["PCA"]) and not np.allclose(colors["names"], colors["instances"])
    split = colors["rgb | PCA"].reshape(-1, 3)
    left = (np.abs(split - colors["rgb"].reshape(-1, 3)) < 1e-6).all(axis=1)
    assert 0.05 < left.mean() < 0.95
    before = np.array(opened.evaluate("window.page.camera.position.toArray()"))
    opened.locator("#objects button").first.click()
    opened.wait_for_function("window.page.flight === null", timeout=60_000)
    opened.mouse.click(250, 250)  # what was flown to stands in the middle: the mark appears
    opened.set_viewport_size({"width": 320, "height": 200})
    opened.wait_for_timeout(300)
    assert np.linalg.norm(np.array(opened.evaluate("window.page.camera.position.toArray()")) - before) > 0.2
