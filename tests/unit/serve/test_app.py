"""What the server answers is what the library answers, in the coordinates of the scene's file."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from chorus.io import read_features, write_scene
from chorus.serve.scenes import KeptScenes
from chorus.view.describe import describe
from chorus.view.session import Session
from tests.unit.serve.conftest import RAW, UPRIGHT, Served, line_of


@pytest.fixture
def session(named):
    return Session(named, Served())


def test_a_scene_is_told_and_the_same_file_has_the_same_id(client, room):
    again = client.post("/scenes", json={"path": "./deep/../room.ply", **UPRIGHT})
    assert again.status_code == 201 and again.json()["id"] == room and again.json()["gaussians"] == 550
    other = client.post("/scenes", json={"path": "room.ply", "up": "z", "unit": "cm"}).json()
    assert other["id"] != room and other["unit"] == "m" and "as given" in other["frame"]
    kept = client.get("/scenes").json()
    assert [one["id"] for one in kept["scenes"]] == [room, other["id"]] and 0 < kept["bytes"] < kept["most_bytes"]
    assert client.get(f"/scenes/{room}").json() == {**again.json(), "name": "room.ply"}
    assert client.get("/files").json() == {"files": ["deep/room.spz", "room.ply"]}
    assert client.delete(f"/scenes/{room}").status_code == 204
    assert client.get(f"/scenes/{room}").status_code == 404


@pytest.mark.parametrize("words", [["a chair"], ["a chair; a lamp"], ["a chair, not a lamp", "a lamp"], ["a zebra"]])
def test_words_find_what_the_library_finds(client, room, session, words):
    wanted = [answer for line in words for answer in session.ask(line)]
    found = client.get(f"/scenes/{room}/query", params={"words": words}).json()
    assert found["unit"] == "m" and [one["words"] for one in found["answers"]] == [one.words for one in wanted]
    for got, want in zip(found["answers"], wanted, strict=True):
        assert got["best"] == pytest.approx(want.score.max(), abs=1e-4)
        assert [one["count"] for one in got["objects"]] == [len(one.rows) for one in want.objects]
        for one, thing in zip(got["objects"], want.objects, strict=True):
            np.testing.assert_allclose(one["center"], thing.position, atol=1e-3)
            np.testing.assert_allclose(one["size"], thing.extent, atol=1e-3)
            assert one["label"] in want.words
    assert client.post(f"/scenes/{room}/query", json={"words": words}).json() == found


@pytest.mark.parametrize(("unit", "metres"), [("m", 1.0), ("cm", 0.01), ("ft", 0.3048)])
def test_places_are_the_files_and_lengths_are_ours(client, named, tmp_path, unit, metres):
    """The same room in a file of another unit whose y points up."""
    scene, turn = named.gaussians, torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    means = (scene.means @ turn.T) / metres
    scales = scene.log_scales - float(np.log(metres))
    write_scene(tmp_path / "rooms" / "turned.ply", replace(scene, means=means, log_scales=scales))
    opened = client.post("/scenes", json={"path": "turned.ply", "up": "y", "unit": unit}).json()
    asked = {"words": ["a lamp"], "viewpoint": (means[0]).tolist()}  # a spot of the floor, 2.19 m under the lamp
    (lamp,) = client.post(f"/scenes/{opened['id']}/query", json=asked).json()["answers"][0]["objects"]
    rows = slice(500, 550)
    np.testing.assert_allclose(lamp["center"], means[rows].mean(0), atol=0.03 / metres)
    assert lamp["distance"] == pytest.approx(2.19, abs=0.03) and max(lamp["size"]) < 0.4
    ray = {"origin": (means[0] + torch.tensor([0, 5.0 / metres, 0])).tolist(), "direction": [0, -3, 0]}
    hit = client.post(f"/scenes/{opened['id']}/pick", json=ray).json()["found"]
    assert hit["names"][0]["name"] == "lamp" and hit["object"]["count"] == 50
    assert hit["distance"] == pytest.approx(2.8, abs=0.15)


def test_a_ray_and_a_point(client, room, session, named):
    ask = lambda **body: client.post(f"/scenes/{room}/pick", json=body)  # noqa: E731
    found = ask(origin=[1, -3, 0.6], direction=[0, 2, 0]).json()["found"]
    hit = session.click(np.array([1.0, -3, 0.6]), np.array([0.0, 1, 0])).hit
    np.testing.assert_allclose(found["position"], hit.position, atol=1e-3)
    assert found["distance"] == pytest.approx(hit.distance, abs=1e-3)
    assert found["object"]["label"] == "chair" and found["object"]["count"] == 50
    assert ask(origin=[1, -3, 5], direction=[0, 1, 0]).json()["found"] is None
    point = np.array([3.1, 1.2, 0.9])
    away = np.linalg.norm(named.gaussians.means.numpy() - point, axis=1)
    found = ask(point=point.tolist()).json()["found"]
    assert found["distance"] == pytest.approx(away.min(), abs=1e-3)
    np.testing.assert_allclose(found["position"], named.gaussians.means[away.argmin()], atol=1e-3)


@pytest.mark.parametrize(
    "body", [{}, {"origin": [0, 0, 0]}, {"origin": [0, 0, 0], "direction": [0, 0, 1], "point": [0, 0, 0]}]
)
def test_half_a_ray_is_refused(client, room, body):
    refused = client.post(f"/scenes/{room}/pick", json=body)
    assert refused.status_code == 400 and "origin and direction, or a point" in line_of(refused)
    none = client.post(f"/scenes/{room}/pick", json={"origin": [0, 0, 0], "direction": [0, 0, 0]})
    assert none.status_code == 400 and "not zero" in line_of(none)


def test_measuring_between_objects_and_places(client, room, named):
    means = named.gaussians.means.numpy().astype(np.float64)
    ends = client.post(f"/scenes/{room}/measure", json={"start": "a lamp", "end": [0, 0, 0]}).json()
    assert ends["end"] == [0, 0, 0] and ends["start"]["label"] == "lamp"
    assert ends["distance"] == pytest.approx(np.linalg.norm(means[500:].mean(0)), abs=1e-3)
    assert ends["gap"] == pytest.approx(np.linalg.norm(means[500:], axis=1).min(), abs=1e-3)
    both = client.post(f"/scenes/{room}/measure", json={"start": [0, 0, 0], "end": [3, 0, 4]}).json()
    assert both["distance"] == both["gap"] == 5
    none = client.post(f"/scenes/{room}/measure", json={"start": "a zebra", "end": [0, 0, 0]})
    assert none.status_code == 400 and "nothing answers" in line_of(none)


def test_the_things_and_the_sentences_are_those_of_chorus_describe(client, room, session):
    wanted = describe(session.search).to_json()
    things = client.get(f"/scenes/{room}/objects").json()
    assert [thing["name"] for thing in things["things"]] == [thing["name"] for thing in wanted["things"]]
    found = client.get(f"/scenes/{room}/describe").json()
    assert {**found["room"], "size": pytest.approx(wanted["room"]["size"], abs=1e-2)} == wanted["room"]
    assert found["things"] == things["things"] and found["sentences"]


def test_features_are_a_safetensors_of_the_files_rows(client, room, named, tmp_path):
    got = client.get(f"/scenes/{room}/features")
    assert (
        got.headers["content-length"] == str(len(got.content)) and ".safetensors" in got.headers["content-disposition"]
    )
    (tmp_path / "got.safetensors").write_bytes(got.content)
    found = read_features(tmp_path / "got.safetensors")
    np.testing.assert_array_equal(found.features, Served().encode(named.gaussians).lang)
    assert found.valid.all() and found.info["scene"] == "room"
    assert not list(tmp_path.glob("chorus-*"))


def test_an_upload_answers_as_its_file_does(client, room, folder):
    content = (folder / "room.ply").read_bytes()
    sent = client.post("/scenes/upload", params={"name": "room.ply", **UPRIGHT}, content=content, headers=RAW)
    assert sent.status_code == 201 and sent.json()["id"] == room
    other = client.post(
        "/scenes/upload", params={"name": "x.spz"}, content=(folder / "deep/room.spz").read_bytes(), headers=RAW
    )
    assert other.json()["name"] == "x.spz" and other.json()["id"] != room


def test_the_sample_needs_no_folder(client):
    assert client.post("/scenes", json={"path": "sample"}).json()["gaussians"] == 11982


def test_the_least_asked_is_dropped_when_memory_is_full(make_client, make_service, named):
    one = KeptScenes(Served(), make_service().folder, most_bytes=1)._size(named)
    client = make_client(most_bytes=2 * one + 10)
    first, second = (
        client.post("/scenes", json={"path": "room.ply", "up": "z", "unit": unit}).json()["id"] for unit in ("m", "cm")
    )
    client.get(f"/scenes/{first}/query", params={"words": "a chair"})
    third = client.post("/scenes", json={"path": "room.ply", "up": "z", "unit": "ft"}).json()["id"]
    assert [kept["id"] for kept in client.get("/scenes").json()["scenes"]] == [first, third]
    gone = client.get(f"/scenes/{second}/query", params={"words": "a chair"})
    assert gone.status_code == 404 and "POST the scene again" in line_of(gone)
    small = make_client(most_bytes=one - 1).post("/scenes", json={"path": "room.ply", **UPRIGHT})
    assert small.status_code == 413 and "--memory" in line_of(small)


def test_a_defect_is_one_line_and_the_server_stays(make_client):
    class Broken(Served):
        def encode(self, scene, outputs=("lang",)):
            raise ZeroDivisionError("/secret/place")

    client = make_client(encoder=Broken())
    failed = client.post("/scenes", json={"path": "room.ply", **UPRIGHT})
    assert failed.status_code == 500 and "ZeroDivisionError" in line_of(failed) and "secret" not in failed.text
    assert client.get("/health").json()["status"] == "ok" and client.get("/scenes").json()["scenes"] == []


def test_metrics_count_by_route(client, room):
    for words in ("a chair", "a lamp"):
        client.get(f"/scenes/{room}/query", params={"words": words})
    client.get("/no/such/place"), client.get("/scenes/none")
    lines = client.get("/metrics").text.splitlines()
    value = lambda start: float(next(line for line in lines if line.startswith(start)).rpartition(" ")[2])  # noqa: E731
    assert value('chorus_requests_total{method="GET",route="/scenes/{id}/query",status="200"}') == 2
    assert value('chorus_requests_total{method="GET",route="/scenes/{id}",status="404"}') == 1
    assert value('chorus_requests_total{method="GET",route="other",status="404"}') == 1
    assert value("chorus_scenes ") == 1 and value("chorus_queue_held ") == 0 and value("chorus_queue_most ") == 5
    assert value("process_resident_memory_bytes ") > 10**6 and not any(room in line for line in lines)


def test_the_page_and_its_schema_need_no_network(client):
    page = client.get("/").text
    assert "swagger-ui" in page and "http://" not in page and "https://" not in page
    for path in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert client.get(f"/static-offline-docs/{path}").status_code == 200
    schema = client.get("/openapi.json").json()
    assert schema["info"]["title"] == "Chorus" and "/scenes/{id}/query" in schema["paths"]
