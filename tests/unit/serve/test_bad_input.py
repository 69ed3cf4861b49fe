"""Whatever comes, the answer is one line with the status of its kind, and the next request is answered."""

import os

import pytest

from tests.unit.serve.conftest import RAW, UPRIGHT, line_of


@pytest.fixture
def tricky(folder, tmp_path):
    """Links that lead out of the folder."""
    (folder / "out.ply").symlink_to(tmp_path / "secret.ply")
    (folder / "up").symlink_to(tmp_path)
    (folder / "loop.ply").symlink_to(folder / "loop.ply")
    (folder / "inner.ply").symlink_to(folder / "room.ply")
    (folder / "arrays").mkdir()
    (folder / "arrays" / "coord.npy").symlink_to(tmp_path / "secret.ply")
    return folder


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("../secret.ply", 403),
        ("deep/../../secret.ply", 403),
        ("/etc/passwd", 403),
        ("out.ply", 403),
        ("up/secret.ply", 403),
        ("arrays", 403),
        ("../rooms-beside/x.ply", 403),
        ("loop.ply", 404),
        ("nothing.ply", 404),
        ("room", 404),
        ("a\0b.ply", 404),
        ("x" * 5000, 404),
        ("deep", 400),
        ("", 422),
        (".", 403),
        ("inner.ply", 201),
        ("room.ply", 201),
    ],
)
def test_paths_stay_in_the_folder(client, tricky, tmp_path, path, status):
    answer = client.post("/scenes", json={"path": path, **UPRIGHT})
    assert answer.status_code == status, answer.text
    if status != 201:
        assert str(tmp_path) not in line_of(answer)
    assert "out.ply" not in client.get("/files").text


def test_absolute_paths_inside_are_fine(client, folder):
    assert client.post("/scenes", json={"path": str(folder / "room.ply"), **UPRIGHT}).status_code == 201


UPLOADS = {
    "no splat": ("room.ply", lambda ply, spz: b"<html>hello</html>", 400),
    "another format": ("room.spz", lambda ply, spz: ply, 400),
    "truncated ply": ("room.ply", lambda ply, spz: ply[: len(ply) // 2], 400),
    "truncated spz": ("room.spz", lambda ply, spz: spz[: len(spz) // 2], 400),
    "no bytes": ("room.ply", lambda ply, spz: b"", 400),
    "zip of nothing": ("room.sog", lambda ply, spz: b"PK\x05\x06" + b"\0" * 18, 400),
    "unknown suffix": ("room.exe", lambda ply, spz: ply, 400),
    "no suffix": ("room", lambda ply, spz: ply, 400),
    "a folder in its name": ("../room.ply", lambda ply, spz: ply, 400),
    "a control character": ("ro\nom.ply", lambda ply, spz: ply, 400),
    "a long name": ("x" * 300 + ".ply", lambda ply, spz: ply, 422),
    "too large": ("room.ply", lambda ply, spz: ply + b"0" * 10**6, 413),
    "foreign": ("room.ksplat", lambda ply, spz: ply, 400),
}


@pytest.mark.parametrize("case", UPLOADS)
def test_uploads_that_are_none(client, folder, case, tmp_path):
    name, change, status = UPLOADS[case]
    content = change((folder / "room.ply").read_bytes(), (folder / "deep/room.spz").read_bytes())
    answer = client.post("/scenes/upload", params={"name": name}, content=content, headers=RAW)
    assert answer.status_code == status, answer.text
    assert "/tmp" not in line_of(answer) and str(tmp_path) not in answer.text
    assert client.get("/scenes").json()["scenes"] == []


def test_an_upload_of_no_declared_length_stops_at_the_limit(client):
    taken = []

    def pieces():
        for number in range(1000):
            taken.append(number)
            yield b"0" * 10**5

    answer = client.post("/scenes/upload", params={"name": "room.ply"}, content=pieces(), headers=RAW)
    assert answer.status_code == 413 and "1 MB" in line_of(answer)


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_an_upload_says_that_it_is_bytes(client, kind):
    answer = client.post("/scenes/upload", params={"name": "a.ply"}, content=b"ply", headers={"Content-Type": kind})
    assert answer.status_code == 415 and "octet-stream" in line_of(answer)


def test_uploads_leave_nothing_behind(client, folder, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = set(os.listdir(tmp_path))
    for content in (b"nothing", (folder / "room.ply").read_bytes()):
        client.post("/scenes/upload", params={"name": "a.ply", **UPRIGHT}, content=content, headers=RAW)
    assert set(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "says"),
    [
        ("POST", "/scenes", {}, 422, "body.path"),
        ("POST", "/scenes", {"path": 3}, 422, "string"),
        ("POST", "/scenes", {"path": "room.ply", "uo": "z"}, 422, "uo"),
        ("POST", "/scenes", {"path": "room.ply", "up": "q"}, 422, "up"),
        ("POST", "/scenes", {"path": "room.ply", "scale": -1}, 422, "scale"),
        ("POST", "/scenes", {"path": "room.ply", "scale": 2, "unit": "cm"}, 400, "scale"),
        ("POST", "/scenes/{id}/query", {"words": []}, 422, "words"),
        ("POST", "/scenes/{id}/query", {"words": [" ; "]}, 400, "words to look for"),
        ("POST", "/scenes/{id}/query", {"words": "a chair"}, 422, "list"),
        ("POST", "/scenes/{id}/query", {"words": ["chair"] * 100_000}, 422, "at most 32"),
        ("POST", "/scenes/{id}/query", {"words": ["a;" * 2000]}, 400, "at most 32 questions"),
        ("POST", "/scenes/{id}/query", {"words": ["x" * 10**5]}, 422, "6400"),
        ("POST", "/scenes/{id}/query", {"words": ["a chair"], "top": 0}, 422, "top"),
        ("POST", "/scenes/{id}/query", {"words": ["a chair"], "viewpoint": [1, 2]}, 422, "viewpoint"),
        ("GET", "/scenes/{id}/query", None, 422, "words"),
        ("GET", "/scenes/{id}/query?words=a&rows=1", None, 422, "rows"),
        ("GET", "/scenes/{id}/features?output=dinosaur", None, 400, "dinosaur"),
        ("POST", "/scenes/{id}/measure", {"start": "a chair"}, 422, "end"),
        ("GET", "/scenes/0123456789abcdef/query?words=a", None, 404, "scenes kept"),
        ("GET", "/scenes/" + "y" * 3000, None, 404, "scenes kept"),
        ("GET", "/nowhere", None, 404, "/docs"),
        ("PUT", "/scenes", None, 405, "/docs"),
    ],
)
def test_requests_that_do_not_fit(client, room, method, path, body, status, says):
    answer = client.request(method, path.format(id=room), json=body)
    assert answer.status_code == status, answer.text
    assert says in line_of(answer)
    assert client.get(f"/scenes/{room}/query", params={"words": "a chair"}).json()["answers"][0]["objects"]


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b"[]", b'"x"', b'{"path": NaN}'])
def test_bodies_that_are_no_json(client, content):
    answer = client.post("/scenes", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and line_of(answer)


def test_numbers_that_are_none(client, room):
    body = b'{"words": ["a chair"], "viewpoint": [NaN, 0, Infinity]}'
    answer = client.post(f"/scenes/{room}/query", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422 and "viewpoint" in line_of(answer)
