"""The API page of a server with the network cut: it shows the routes, and asks them."""

import threading
import time

import pytest

pytest.importorskip("fastapi_offline")
pytest.importorskip("uvicorn")

import uvicorn

from chorus.listen import free_port
from chorus.serve.app import make_app
from tests.unit.serve.conftest import folder, make_service, named  # noqa: F401  fixtures


@pytest.fixture
def address(make_service):  # noqa: F811
    port = free_port("127.0.0.1", None)
    config = uvicorn.Config(make_app(make_service()), port=port, log_level="warning", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.time() + 20
    while not server.started and time.time() < end:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(20)


def test_the_page_lists_the_routes_and_asks_them(address, page):
    wrong, away = [], []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))

    def only_here(route):
        if route.request.url.startswith((address, "data:")):
            return route.continue_()
        away.append(route.request.url)
        return route.abort()

    page.route("**/*", only_here)
    page.goto(address)
    page.get_by_text("/scenes/{id}/query").first.wait_for()
    routes = page.request.get(f"{address}/openapi.json").json()["paths"]
    assert page.locator(".opblock").count() == sum(map(len, routes.values())) == 15
    page.locator("#operations-scenes-open_scene_scenes_post").click()
    page.get_by_role("button", name="Try it out").click()
    page.locator("textarea").first.fill('{"path": "room.ply", "up": "z", "unit": "m"}')
    page.get_by_role("button", name="Execute").click()
    page.locator(".live-responses-table").get_by_text("201").first.wait_for()
    assert '"gaussians": 550' in page.locator(".live-responses-table").inner_text()
    assert not away and not wrong
