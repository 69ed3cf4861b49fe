"""Inputs by URL, from servers on loopback: a plain web server, and moto's S3."""

import functools
import http.server
import io
import threading
import zipfile
from types import SimpleNamespace

import pytest

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

from chorus.errors import InputError
from chorus.sources import remote
from chorus.sources.remote import fetched
from chorus.store import Store


def archive(**files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        for name, content in files.items():
            zipped.writestr(name, content)
    return out.getvalue()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """No log; /stream.ply comes without a length, /half.mp4 breaks off."""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET() if self.path in ("/stream.ply", "/half.mp4") else super().do_HEAD()

    def do_GET(self):
        if self.path.startswith("/stream.ply"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"x" * 5000)
        elif self.path.startswith("/half.mp4"):
            self.send_response(200)
            self.send_header("Content-Length", "5000")
            self.end_headers()
            self.wfile.write(b"x" * 100)
        else:
            super().do_GET()


@pytest.fixture
def web(tmp_path):
    folder = tmp_path / "www"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "project")


def left(store):
    """What lies in data/downloads, hidden things too."""
    place = store.data / "downloads"
    return sorted(path.name for path in place.iterdir()) if place.is_dir() else []


def refused(url, store) -> str:
    with pytest.raises(InputError) as caught:
        fetched(url, store, "room")
    assert not left(store) and "\n" not in str(caught.value)
    return str(caught.value)


def test_paths_are_left_alone(store, tmp_path):
    assert fetched(str(tmp_path / "a b"), store, "room") == tmp_path / "a b" and not left(store)


def test_a_zip_and_a_file_from_the_web_are_fetched_once(web, store):
    folder, url = web
    (folder / "room.zip").write_bytes(archive(**{"room/images/0.png": b"png", "__MACOSX/x": b""}))
    (folder / "scene.spz").write_bytes(b"splats")
    got = fetched(f"{url}/room.zip", store, "room")
    assert got.name == "room" and (got / "images" / "0.png").read_bytes() == b"png"
    (folder / "room.zip").unlink()
    assert fetched(f"{url}/room.zip", store, "room") == got
    assert fetched(f"{url}/scene.spz?signature=secret", store, "room").name == "scene.spz"
    assert fetched(f"{url}/stream.ply", store, "room").read_bytes() == b"x" * 5000
    assert all("secret" not in name for name in left(store))


def test_what_the_web_has_not(web, store):
    folder, url = web
    line = refused(f"{url.replace('http://', 'http://me:hunter2@')}/none.zip?token=abc", store)
    assert "none.zip" in line and "hunter2" not in line and "abc" not in line
    assert "127.0.0.1" in refused("http://127.0.0.1:1/room.zip", store)
    (folder / "bad.zip").write_bytes(b"no archive")
    assert "bad.zip" in refused(f"{url}/bad.zip", store)
    assert "half.mp4" in refused(f"{url}/half.mp4", store)
    assert "xyz://room" in refused("xyz://room/a", store)


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil", "a/../../evil", "..\\evil", "C:\\evil"])
def test_an_archive_that_leads_out_of_its_folder(web, store, name):
    folder, url = web
    (folder / "room.zip").write_bytes(archive(**{"images/0.png": b"", name: b"evil"}))
    assert "names inside the folder" in refused(f"{url}/room.zip", store)


def test_sizes_are_bounded(web, store, monkeypatch):
    folder, url = web
    monkeypatch.setattr(remote, "MOST", 3000)
    (folder / "large.mp4").write_bytes(b"x" * 4000)
    (folder / "bomb.zip").write_bytes(archive(a=b"0" * 4000))
    for name in ("large.mp4", "bomb.zip", "stream.ply"):
        assert "at most" in refused(f"{url}/{name}", store)
    monkeypatch.setattr(remote, "MOST", 1e30)
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100))
    assert "of free disk" in refused(f"{url}/large.mp4", store)


@pytest.fixture(scope="module")
def bucket():
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    pytest.importorskip("s3fs")
    boto3 = pytest.importorskip("boto3")
    with pytest.MonkeyPatch.context() as patch:
        server.start()
        host, port = server.get_host_and_port()
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1"}.items():
            patch.setenv(f"AWS_{name}", value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="captures")
        yield client
        server.stop()


def test_a_folder_of_a_bucket(bucket, store):
    for key, body in {"room/images/0.png": b"0", "room/images/1.png": b"1", "room/": b"", "roomy/x": b"x"}.items():
        bucket.put_object(Bucket="captures", Key=key, Body=body)
    got = fetched("s3://captures/room", store, "room")
    assert sorted(path.name for path in got.rglob("*.png")) == ["0.png", "1.png"] and got.name == "images"
    bucket.put_object(Bucket="captures", Key="walk.mp4", Body=b"video")
    assert fetched("s3://captures/walk.mp4", store, "walk").read_bytes() == b"video"


def test_a_bucket_that_leads_out_of_its_folder_or_is_not_there(bucket, store):
    bucket.put_object(Bucket="captures", Key="evil/images/0.png", Body=b"0")
    bucket.put_object(Bucket="captures", Key="evil/../../outside", Body=b"evil")
    assert "names inside the folder" in refused("s3://captures/evil", store)
    assert "s3://captures/none" in refused("s3://captures/none", store)
    assert "s3://no-such-bucket" in refused("s3://no-such-bucket/room", store)


def test_a_file_that_vanishes_while_the_folder_is_copied(bucket, store, monkeypatch):
    for number in range(3):
        bucket.put_object(Bucket="captures", Key=f"going/{number}.png", Body=b"0")
    copy, calls = remote._copy, []

    def slow(files, path, target, **rest):
        calls.append(path)
        if len(calls) == 2:
            bucket.delete_object(Bucket="captures", Key="going/1.png")
            files.invalidate_cache()
        copy(files, path, target, **rest)

    monkeypatch.setattr(remote, "_copy", slow)
    assert "going/1.png" in refused("s3://captures/going", store)
