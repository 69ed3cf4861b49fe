"""Make pictures of these pages again: python docs/figures.py [page view where-i-sleep uses], all of them when none is
named. page and view are screenshots and need chromium."""

from __future__ import annotations

import runpy
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from PIL import Image

import chorus
from chorus.view.named import NamedScene
from chorus.view.page import write_page
from chorus.view.session import Session
from chorus.view.viewer import Viewer

DOCS = Path(__file__).parent
FLAGS = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist", "--no-sandbox")
SIZE = {"width": 1000, "height": 560}
COLORS = 128  # of a PNG's palette


def sample() -> Session:
    return Session(NamedScene("sample", chorus.read("sample"), None), chorus.load())


@contextmanager
def window() -> Iterator:
    """A page of Debian's chromium with software WebGL."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.set_default_timeout(120_000)
        yield page
        browser.close()


def page(target: Path) -> None:
    """The page of the sample room: colors left, features right."""
    with tempfile.TemporaryDirectory() as folder, window() as shown:
        shown.goto(write_page(Path(folder) / "sample.html", sample()).as_uri())
        shown.wait_for_function("window.page")
        shown.select_option("#mode", "rgb | PCA")
        shown.evaluate(
            "() => { const v = document.getElementById('below'); v.value = 0.8; v.dispatchEvent(new Event('input')) }"
        )
        settled(shown)
        shown.screenshot(path=target)


def view(target: Path) -> None:
    """The viewer of the sample room, asked where one sleeps."""
    room = sample()
    room.search  # noqa: B018  made when first read: what is shown is the time of an answer alone
    viewer = Viewer([room], folder=Path(tempfile.gettempdir()))
    with window() as shown:
        shown.goto(viewer.address)
        shown.locator(".mantine-Notification-closeButton").click()  # that WebGL runs in software here
        words = shown.locator("textarea:visible")
        words.wait_for()
        words.fill("where i sleep")
        words.press("Enter")
        shown.get_by_role("button", name="where i sleep").first.wait_for()
        viewer._below.value = 0.8  # see into the room
        settled(shown)
        shown.screenshot(path=target)
    viewer.close()


def settled(shown, *, seconds: float = 90.0) -> None:
    """Wait until two pictures three seconds apart are the same: splats are sorted and drawn over a while."""
    end, before = time.time() + seconds, b""
    while time.time() < end:
        now = shown.screenshot()
        if now == before:
            return
        before = now
        time.sleep(3)


def of_demo(stem: str, written: str, target: Path) -> None:
    """A picture that a demo writes."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        Path("demos").symlink_to(DOCS.parent / "demos")
        runpy.run_path(f"demos/{stem}.py", run_name="__main__")
        shutil.copyfile(f"out/{written}.png", target)


FIGURES = {
    "page": page,
    "view": view,
    "where-i-sleep": lambda target: of_demo("1_query", "sample-where-i-sleep", target),
    "uses": lambda target: of_demo("3_probe_with_20_labels", "uses", target),
}


def main(names: list[str]) -> None:
    unknown = sorted(set(names) - set(FIGURES))
    if unknown:
        sys.exit(f"figures: expected {', '.join(FIGURES)}, got {', '.join(unknown)}")
    for name in names or FIGURES:
        target = DOCS / f"{name}.png"
        FIGURES[name](target)
        small = Image.open(target).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
        small.save(target, optimize=True)
        print(f"{target}: {target.stat().st_size / 1e3:.0f} kB", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
