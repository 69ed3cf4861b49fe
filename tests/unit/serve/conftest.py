"""A small room in files, a fake model that knows heights, and a client of the server."""

import pytest

pytest.importorskip("fastapi_offline")

from fastapi.testclient import TestClient

from chorus.encoder.encode import SceneEncoder
from chorus.io import write_features, write_scene
from chorus.serve.app import make_app
from chorus.serve.folder import Folder
from chorus.serve.queue import Work
from chorus.serve.scenes import KeptScenes
from chorus.serve.service import Service
from chorus.view.vocabulary import HELD
from tests.unit.view.test_session import Heights, named  # noqa: F401  a fixture

UPRIGHT = {"up": "z", "unit": "m"}
RAW = {"Content-Type": "application/octet-stream"}


class Served(Heights):
    """What a server asks of a model besides."""

    available = ("lang", "upcast", "tokens")

    def channels(self, name):
        return len(HELD) + 1

    def encode_to_files(self, scene, files, *, info=None):
        SceneEncoder._check(self, tuple(files))  # as a model refuses an output it does not have
        for name, path in files.items():
            write_features(path, self.encode(scene, outputs=(name,))[name], info=info)


@pytest.fixture
def folder(named, tmp_path):  # noqa: F811
    """rooms/room.ply, rooms/deep/room.spz; secret.ply beside rooms."""
    rooms = tmp_path / "rooms"
    (rooms / "deep").mkdir(parents=True)
    for path in (rooms / "room.ply", rooms / "deep" / "room.spz", tmp_path / "secret.ply"):
        write_scene(path, named.gaussians)
    return rooms


@pytest.fixture
def make_service(folder):
    def make(*, waiting=4, most_bytes=10**8, upload_bytes=10**6, token=None, encoder=None) -> Service:
        scenes = KeptScenes(encoder or Served(), Folder(folder), most_bytes=most_bytes)
        return Service(Work(waiting), scenes, upload_bytes, token)

    return make


@pytest.fixture
def make_client(make_service):
    """Clients that get a 500 as others do."""
    opened = []

    def make(**kwargs) -> TestClient:
        client = TestClient(make_app(make_service(**kwargs)), raise_server_exceptions=False)
        opened.append(client.__enter__())
        return client

    yield make
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def client(make_client) -> TestClient:
    return make_client()


@pytest.fixture
def room(client) -> str:
    """The id of the room."""
    return client.post("/scenes", json={"path": "room.ply", **UPRIGHT}).json()["id"]


def line_of(response) -> str:
    """The one line of an error."""
    found = response.json()
    assert set(found) == {"error"} and "\n" not in found["error"] and len(found["error"]) < 400, found
    return found["error"]
