"""Debian's chromium with software WebGL; skipped where there is none."""

import shutil

import pytest

FLAGS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-sandbox")


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="module")
def browser():
    """A browser that the tests of a module share. Not those of a session: until it ends an event loop runs in this
    thread, and no test of another module could start one of its own."""
    api = pytest.importorskip("playwright.sync_api")
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium here: sudo apt-get install chromium")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """A small window, and what its console called an error."""
    page = browser.new_page(viewport={"width": 800, "height": 500})
    page.set_default_timeout(60_000)
    yield page
    page.close()
