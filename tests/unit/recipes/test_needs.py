"""Every stage says before its work starts that disk or memory will not do, and asks for about what it takes."""

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from chorus import room
from chorus.errors import InputError
from chorus.evaluate.rooms import Rooms
from chorus.incoming import Incoming, IngestOptions
from chorus.recipes import export, needs, reports, scenes, teachers
from chorus.scene_list import SweetHomeRoom
from chorus.workspace import Workspace
from tests.unit.conftest import box_room

ROOT = Path(__file__).parents[3]
GIB = 2**30


class Rows:
    """Of a room's targets, as far as a report's need goes."""

    channels = {"lang": 384, "dino": 8}

    def __len__(self) -> int:
        return 12000


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    """One captured room, with rows of targets that say how many they are and no more."""
    monkeypatch.delenv("CHORUS_PARAMS", raising=False)
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    found = Workspace.open(tmp_path)
    box_room(views=8).save(found.store.scene("room", "capture"))
    (tmp_path / "data/incoming/photos").mkdir(parents=True)
    for number in range(30):
        (tmp_path / f"data/incoming/photos/{number}.jpg").write_bytes(b"0" * 1000)
    (tmp_path / "data/incoming/splats").mkdir()
    (tmp_path / "data/incoming/splats/scene.spz").write_bytes(b"0" * 10**6)
    (found.store.model("encoder") / "splats").mkdir(parents=True)
    (found.store.model("encoder") / "splats/model.safetensors").write_bytes(b"0" * 10**6)
    monkeypatch.setattr(needs.RowFile, "open", lambda folder: Rows())
    return found


def capture(workspace, out):
    scenes._render_room(workspace, SweetHomeRoom(id="a", home="b", room=0), out)


def dropped(name):
    def ingest(workspace, out):
        path = workspace.store.incoming / name
        scenes._ingest(Incoming(id=path.stem, path=path, options=IngestOptions()), workspace.params.capture, out)

    return ingest


def fit(workspace, out):
    scenes._fit(workspace, "room", out)


def train_teachers(workspace, out):
    teachers._train(workspace, ["room"], out)


def evaluate(workspace, out):
    reports.write_evaluation(workspace, Rooms(test=["room"]), out)


def write_export(workspace, out):
    export.export(workspace, out)


STAGES = {  # the call, the work it must not begin, and whether it asks for memory too
    "capture of a room": (capture, "chorus.sources.sweethome3d.fetch_homes", True),
    "capture of photos": (dropped("photos"), "chorus.sources.ingest", True),
    "capture of splats": (dropped("splats"), "chorus.recipes.splats.save_capture_of_splats", True),
    "fit": (fit, "chorus.capture.Capture.load", True),
    "training of teachers": (train_teachers, "chorus.teachers.embedded.train.train_embedded", False),
    "evaluation": (evaluate, "chorus.evaluate.collect.collect", True),
    "export": (write_export, "chorus.recipes.export.load_model", False),
}


class Begun(Exception):
    pass


def begins(*_, **__):
    raise Begun


def free(monkeypatch, *, disk: float, memory: float) -> None:
    monkeypatch.setattr(room.shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(disk))
    monkeypatch.setattr(room, "available_memory", lambda: memory)


@pytest.mark.parametrize("name", STAGES)
def test_it_is_said_before_the_work_begins(workspace, tmp_path, monkeypatch, name):
    stage, work, asks_for_memory = STAGES[name]
    monkeypatch.setattr(work, begins)
    monkeypatch.setattr(export, "record", lambda _: {})
    free(monkeypatch, disk=4 * GIB, memory=4 * GIB)
    with pytest.raises(Begun):
        stage(workspace, tmp_path / "out")
    free(monkeypatch, disk=1000.0, memory=4 * GIB)
    with pytest.raises(InputError, match="GB of free disk for"):
        stage(workspace, tmp_path / "out")
    if asks_for_memory:
        free(monkeypatch, disk=4 * GIB, memory=1000.0)
        with pytest.raises(InputError, match="memory: expected .* GB free for"):
            stage(workspace, tmp_path / "out")


def asked(monkeypatch, call) -> tuple[float, float]:
    """Bytes of disk and memory that a call asks for."""
    found: dict[str, float] = {}
    monkeypatch.setattr(needs, "require_disk", lambda folder, needed, **_: found.update(disk=needed))
    monkeypatch.setattr(needs, "require_memory", lambda needed, **_: found.update(memory=needed))
    call()
    return found.get("disk", 0.0), found.get("memory", 0.0)


def test_what_a_capture_asks_for_is_about_what_it_writes_and_holds(workspace, monkeypatch, tmp_path, sharp_room):
    views, height, width, _ = sharp_room.images.shape
    params = namedtuple("Params", "views width height")(views, width, height)
    disk, memory = asked(monkeypatch, lambda: needs.of_room(params, tmp_path))
    sharp_room.save(tmp_path / "capture")
    written = sum(path.stat().st_size for path in (tmp_path / "capture").rglob("*.png"))
    held = sum(getattr(sharp_room, name).nbytes for name in ("images", "depth", "semantic", "instance"))
    assert 0.3 < disk / written < 1.2 and memory == held


def test_a_fit_asks_for_the_gaussians_its_capture_may_have(workspace, monkeypatch, tmp_path):
    folder, params = workspace.store.scene("room", "capture"), workspace.params.fit
    rendered = asked(monkeypatch, lambda: needs.of_fit(folder, params, tmp_path))
    spec = json.loads((folder / "cameras.json").read_text())
    (folder / "cameras.json").write_text(json.dumps({**spec, "info": {"source": "photos"}}))
    real = asked(monkeypatch, lambda: needs.of_fit(folder, params, tmp_path))
    assert real[0] / rendered[0] == params.max_gaussians_real / params.max_gaussians
    pixels = 8 * spec["width"] * spec["height"]
    assert rendered[1] == needs.PIXEL_FITTED * pixels + needs.GAUSSIAN_FITTED * params.max_gaussians
