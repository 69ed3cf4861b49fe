"""Two folders that share nothing but a bucket: what one made the other reads, and nothing is made twice."""

import json
import shutil
from pathlib import Path

import pytest

from chorus.errors import InputError, StoreError
from chorus.stages import CAPTURE, EMBEDDED, GAUSSIANS
from chorus.store import Store
from orchestration import bucket as shared
from orchestration.materialize import main
from tests.pipeline import fakes
from tests.pipeline.conftest import TINY_SCENES
from tests.pipeline.servers import bucket

ROOMS = ["room-a", "room-b"]


@pytest.fixture
def second(workspace, tmp_path_factory) -> Path:
    """Another folder with the same parameters and scenes."""
    root = tmp_path_factory.mktemp("second")
    shutil.copyfile(workspace / "params.yaml", root / "params.yaml")
    (root / "data").mkdir()
    (root / "data" / "scenes.yaml").write_text(TINY_SCENES)
    return root


@pytest.fixture
def address(tmp_path_factory, monkeypatch) -> str:
    folder = tmp_path_factory.mktemp("bucket") / "chorus"
    monkeypatch.setenv(shared.ADDRESS, folder.as_uri())
    return str(folder)


def go_to(monkeypatch, root: Path) -> None:
    monkeypatch.setenv("CHORUS_ROOT", str(root))
    monkeypatch.setenv("DAGSTER_HOME", "")


def content(root: Path, stage: str, room: str) -> dict[str, bytes]:
    folder = Store(root).artifact(stage, room)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def work_together(workspace, second, monkeypatch) -> None:
    fakes.install(monkeypatch)
    assert main([CAPTURE, *ROOMS, "--jobs", "1"]) == 0
    go_to(monkeypatch, second)
    fakes.CALLS.clear()
    assert main([GAUSSIANS, *ROOMS, "--jobs", "1"]) == 0
    assert fakes.CALLS == [(GAUSSIANS, room) for room in ROOMS], "captures were pulled, not made"
    assert all(content(workspace, CAPTURE, room) == content(second, CAPTURE, room) for room in ROOMS)
    go_to(monkeypatch, workspace)
    fakes.CALLS.clear()
    assert main(["--all", *ROOMS, "--jobs", "1"]) == 0
    assert fakes.CALLS == [(EMBEDDED, None)], "Gaussians were pulled, not made"
    assert all(content(workspace, GAUSSIANS, room) == content(second, GAUSSIANS, room) for room in ROOMS)


def test_two_folders_share_what_they_make(workspace, second, address, monkeypatch):
    work_together(workspace, second, monkeypatch)


@pytest.mark.slow
def test_the_same_by_s3(workspace, second, monkeypatch):
    with bucket("team"):
        monkeypatch.setenv(shared.ADDRESS, "s3://team/chorus")
        work_together(workspace, second, monkeypatch)


def test_a_file_lies_there_once(workspace, address, monkeypatch):
    fakes.install(monkeypatch)
    assert main([CAPTURE, "room-a", "room-b", "--jobs", "1"]) == 0  # names of one length: the same bytes
    named = {
        digest
        for path in Path(address).glob("manifests/scenes/capture/*.json")
        for digest in json.loads(path.read_text())["files"].values()
    }
    assert {path.name for path in Path(address).glob("files/*/*")} == named


def test_what_is_not_what_it_says_is_refused(workspace, second, address, monkeypatch, capsys):
    fakes.install(monkeypatch)
    assert main([CAPTURE, "room-a", "--jobs", "1"]) == 0
    changed = next(Path(address).glob("files/*/*"))
    changed.write_bytes(b"another")
    go_to(monkeypatch, second)
    assert main([GAUSSIANS, "room-a", "--jobs", "1"]) == 2
    assert "expected the bytes its name says" in capsys.readouterr().err
    assert not Store(second).artifact(CAPTURE, "room-a").exists()


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "a/../../evil"])
def test_a_manifest_leads_nowhere_else(workspace, address, name):
    manifest = Path(address) / "manifests/scenes/capture/room-a.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"files": {name: "0" * 64}, "hash": "x"}))
    with pytest.raises(StoreError, match="expected names of files in its folder"):
        shared.bucket().pull(Store(workspace), CAPTURE, "room-a")
    assert not (workspace / "data" / "capture" / "room-a").exists()


def test_no_bucket_and_one_of_an_unknown_kind(monkeypatch):
    monkeypatch.delenv(shared.ADDRESS, raising=False)
    assert shared.bucket() is None
    monkeypatch.setenv(shared.ADDRESS, "carrier-pigeon://coop")
    with pytest.raises(InputError, match="CHORUS_BUCKET: expected s3://BUCKET/PREFIX"):
        shared.bucket()
