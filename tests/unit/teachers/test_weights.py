"""Fetching, checking and finding weights: a loopback server for files, a stand-in for the hub's two calls."""

import dataclasses
import hashlib
import http.server
import threading
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub import errors as hub_errors

from chorus.errors import ChorusError, MissingError
from chorus.teachers.foundation import SOURCES, catalog, list_teachers, pull
from chorus.teachers.foundation.loading import one_of
from chorus.teachers.foundation.weights import RECORD, fingerprint, resolve

DATA = bytes(range(256)) * 4000


class Ranged(http.server.BaseHTTPRequestHandler):
    """Serves DATA, whole or from where it is asked to go on; hangs up after ``give`` bytes when told to."""

    give: int | None = None
    starts: list[int] = []

    def do_GET(self):
        start = int(self.headers.get("Range", "bytes=0-")[6:-1])
        Ranged.starts.append(start)
        if start >= len(DATA):
            self.send_error(416)
            return
        self.send_response(206 if "Range" in self.headers else 200)
        self.send_header("Content-Length", str(len(DATA) - start))
        self.end_headers()
        self.wfile.write(DATA[start:][: Ranged.give])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch):
    Ranged.give, Ranged.starts = None, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ranged)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    source = dataclasses.replace(
        SOURCES["sam-base"],
        url=f"http://127.0.0.1:{server.server_port}/sam_vit_b_01ec64.pth",
        md5=hashlib.md5(DATA).hexdigest(),
    )
    monkeypatch.setitem(catalog.SOURCES, "sam-base", source)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def hub(monkeypatch):
    """The hub's two calls: `files` are what the repository holds; `fail` is raised instead."""
    state = SimpleNamespace(
        files={"config.json": b"{}", "model.safetensors": b"weights"}, fail=None, damaged=False, calls=0
    )

    def model_info(self, repo, files_metadata):
        if state.fail:
            raise state.fail
        digest = hashlib.sha256(state.files["model.safetensors"]).hexdigest()
        siblings = [
            SimpleNamespace(rfilename="model.safetensors", lfs=SimpleNamespace(sha256=digest)),
            SimpleNamespace(rfilename="config.json", lfs=None),
        ]
        return SimpleNamespace(
            sha="c0ffee", siblings=siblings, card_data=SimpleNamespace(license_name=None, license="apache-2.0")
        )

    def snapshot_download(repo, *, revision, local_dir, allow_patterns):
        state.calls += 1
        for name, content in state.files.items():
            (local_dir / name).write_bytes(content + b"x" * (state.damaged and name == "model.safetensors"))

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return state


def quietly(*_):
    pass


def test_pull_records_license_revision_and_checksums(hub, tmp_path):
    said = []
    (pulled,) = pull(["dinov3"], tmp_path, say=said.append)
    assert pulled.fresh and pulled.bytes == 9 and "DINOv3 License" in said[0] and "https://" in said[0]
    assert '"revision": "c0ffee"' in (tmp_path / "dinov3" / RECORD).read_text() and pulled.license == "DINOv3 License"
    (again,) = pull(["dinov3"], tmp_path, say=quietly)
    assert not again.fresh and hub.calls == 1
    (tmp_path / "dinov3" / "model.safetensors").write_bytes(b"bad bit")
    (mended,) = pull(["dinov3"], tmp_path, say=quietly)
    assert mended.fresh and hub.calls == 2


def test_a_hub_id_and_an_open_clip_name_can_be_pulled(hub, tmp_path):
    pulled = pull(["someone/some-model", "MobileCLIP-S2:datacompdr"], tmp_path, say=quietly)
    assert [p.folder.name for p in pulled] == ["someone--some-model", "MobileCLIP-S2--datacompdr"] and pulled[
        0
    ].license == "apache-2.0"
    assert resolve("someone/some-model", tmp_path, role="dino") == tmp_path / "someone--some-model"
    rows = {row.name: row for row in list_teachers(tmp_path, verify=True)}
    assert rows["someone/some-model"].here and rows["someone/some-model"].intact


def test_what_differs_from_the_publishers_checksum_is_deleted(hub, tmp_path):
    hub.damaged = True
    with pytest.raises(MissingError, match="sha256"):
        pull(["pe-spatial"], tmp_path, say=quietly)
    assert not (tmp_path / "pe-spatial" / "model.safetensors").exists()


def hub_error(kind):
    response = SimpleNamespace(headers={}, request=SimpleNamespace(url="u", method="GET"), status_code=403, url="u")
    return kind("refused", response=response)


def client_error(text):
    """As the hub's HTTP client raises it, which is no OSError in every version."""
    return next(
        kind
        for kind in hub_errors.HfHubHTTPError.__mro__
        if kind.__module__.split(".")[0] not in ("builtins", "huggingface_hub")
    )(text)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            hub_error(hub_errors.GatedRepoError),
            r"DINOv3 License at https://\S+dinov3\S+ with your account.*chorus teachers pull dinov3",
        ),
        (hub_errors.OfflineModeIsEnabled("offline"), r"dinov3.*chorus teachers pull dinov3.*copy the folder.*embedded"),
        (ConnectionError("no route\nto host"), r"no route.*embedded"),
        (client_error("no name for the host"), r"no name.*embedded"),
        (hub_error(hub_errors.RepositoryNotFoundError), "no.*repository|none, or a private one"),
    ],
)
def test_failures_are_one_line_with_what_to_do(hub, tmp_path, error, expected):
    hub.fail = error
    with pytest.raises(MissingError, match=expected) as caught:
        pull(["dinov3"], tmp_path, say=quietly)
    assert "\n" not in str(caught.value)


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    Ranged.give = 100_000
    with pytest.raises(ChorusError, match="sam-base|sam_vit_b"):
        pull(["sam-base"], tmp_path, say=quietly)
    part = tmp_path / "sam-base" / "sam_vit_b_01ec64.pth.part"
    have = part.stat().st_size
    assert 0 < have < len(DATA)
    Ranged.give = None
    pull(["sam-base"], tmp_path, say=quietly)
    assert Ranged.starts == [0, have] and (tmp_path / "sam-base" / "sam_vit_b_01ec64.pth").read_bytes() == DATA
    assert not part.exists() and resolve("sam-base", tmp_path, role="masks") == tmp_path / "sam-base"


def test_a_damaged_download_is_not_kept(server, tmp_path, monkeypatch):
    monkeypatch.setitem(catalog.SOURCES, "sam-base", dataclasses.replace(catalog.SOURCES["sam-base"], md5="0" * 32))
    with pytest.raises(MissingError, match="md5"):
        pull(["sam-base"], tmp_path, say=quietly)
    assert not list((tmp_path / "sam-base").glob("*.p*"))


def test_the_list_says_what_is_here(hub, tmp_path):
    pull(["dinov2"], tmp_path, say=quietly)
    rows = {row.name: row for row in list_teachers(tmp_path)}
    assert set(rows) == set(SOURCES)
    assert (
        rows["dinov2"].here
        and rows["dinov2"].intact
        and rows["dinov2"].presets == ("small",)
        and rows["dinov2"].megabytes == 9e-6
    )
    assert not rows["siglip2"].here and rows["siglip2"].megabytes > 4000 and rows["siglip2"].presets == ("paper",)
    assert rows["dinov3"].gated and rows["dinov3"].license == "DINOv3 License"
    (tmp_path / "dinov2" / "model.safetensors").write_bytes(b"WEIGHTS")  # same size
    assert not {row.name: row for row in list_teachers(tmp_path, verify=True)}["dinov2"].intact
    (tmp_path / "dinov2" / "model.safetensors").unlink()
    assert not {row.name: row for row in list_teachers(tmp_path)}["dinov2"].here


def test_absent_weights_are_named_with_the_command_and_the_alternative(tmp_path):
    with pytest.raises(MissingError, match=r"siglip2.*Run: chorus teachers pull siglip2 .*embedded") as caught:
        resolve("siglip2", tmp_path, role="lang")
    assert "\n" not in str(caught.value)
    with pytest.raises(MissingError, match=r"one of siglip2, siglip2-base"):
        resolve("sigclip", tmp_path, role="lang")
    (tmp_path / "dinov3").mkdir()
    with pytest.raises(MissingError, match=r"config\.json.*chorus teachers pull dinov3.*embedded"):
        one_of(tmp_path / "dinov3", ["config.json"])
    with pytest.raises(MissingError, match="unknown name"):
        pull(["nonsense"], tmp_path, say=quietly)


def test_a_path_is_taken_as_it_is(tmp_path):
    (tmp_path / "mine").mkdir()
    assert resolve(str(tmp_path / "mine"), tmp_path, role="dino") == tmp_path / "mine"


def test_fingerprint_is_the_content(hub, tmp_path):
    pull(["dinov2"], tmp_path, say=quietly)
    folder = tmp_path / "dinov2"
    recorded = fingerprint(folder)
    (folder / RECORD).unlink()
    assert fingerprint(folder) == recorded  # by reading the files
    (folder / "model.safetensors").write_bytes(b"others!")
    assert fingerprint(folder) != recorded
    assert fingerprint(folder / "config.json") == hashlib.sha256(b"{}").hexdigest()
