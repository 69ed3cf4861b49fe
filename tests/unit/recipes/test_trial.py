"""A workspace laid out for another training: its rooms, its parameters, what it shares and what it leaves alone."""

from pathlib import Path

import pytest
import yaml

from chorus.errors import InputError
from chorus.recipes.trial import furnished_anew, lay_out
from chorus.scene_list import GeneratedRoom, SweetHomeRoom
from chorus.store import hash_files
from chorus.workspace import Workspace

ROOT = Path(__file__).parents[3]


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Workspace:
    """The project's own parameters and rooms."""
    monkeypatch.delenv("CHORUS_PARAMS", raising=False)
    root = tmp_path / "project"
    (root / "data" / "homes").mkdir(parents=True)
    for name in ("params.yaml", "data/scenes.yaml"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    return Workspace.open(root)


def test_it_trains_on_what_was_asked_and_is_judged_by_validation_alone(workspace, tmp_path):
    laid = lay_out(workspace, tmp_path / "trial", generated=10, seed=3)
    rooms = laid.listed()
    train = [room for room in rooms.values() if room.split == "train"]
    drawn = [room for room in train if isinstance(room, GeneratedRoom)]
    assert len(train) - len(drawn) == 24 and len(drawn) == 10 and {room.seed for room in drawn} == {3}
    assert laid.rooms(split="validation", domain="main") == workspace.rooms(split="validation", domain="main")
    assert not laid.rooms(split="held_out", domain="main") and {room.domain for room in rooms.values()} == {"main"}
    both = set(rooms) & set(workspace.listed())
    assert all(rooms[name] == workspace.listed()[name] for name in both) and len(both) == 31
    assert Workspace.open(tmp_path / "trial").params == workspace.params  # written, and read as the same


def test_the_held_out_rooms_come_when_a_release_is_scored(workspace, tmp_path):
    laid = lay_out(workspace, tmp_path / "trial", generated=2, held_out=True)
    assert laid.rooms(split="held_out", domain="main") == workspace.rooms(split="held_out", domain="main")
    assert {room.domain for room in laid.listed().values()} == {"main"}


def test_the_overlay_is_settled_in_its_parameters(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("CHORUS_PARAMS", str(ROOT / "params.pretrain.yaml"))
    lay_out(Workspace.open(workspace.store.root), tmp_path / "trial", generated=1)
    monkeypatch.delenv("CHORUS_PARAMS")
    asked = yaml.safe_load((ROOT / "params.pretrain.yaml").read_text())["distill"]["steps"]
    assert Workspace.open(tmp_path / "trial").params.distill.steps == asked != workspace.params.distill.steps


def test_homes_are_shared_and_the_workspace_is_left_alone(workspace, tmp_path):
    before = hash_files(workspace.store.root)
    lay_out(workspace, tmp_path / "trial", designed=3)
    assert (tmp_path / "trial/data/homes").resolve() == workspace.store.homes.resolve()
    assert hash_files(workspace.store.root) == before
    (workspace.store.homes / "new").write_text("")
    assert (tmp_path / "trial/data/homes/new").exists()


def test_laying_out_again_touches_only_what_differs(workspace, tmp_path):
    def stamps() -> dict[str, int]:
        return {name: (tmp_path / "trial" / name).stat().st_mtime_ns for name in ("params.yaml", "data/scenes.yaml")}

    lay_out(workspace, tmp_path / "trial", generated=4)
    first = stamps()
    lay_out(workspace, tmp_path / "trial", generated=4)
    assert stamps() == first
    lay_out(workspace, tmp_path / "trial", generated=5)
    assert stamps()["params.yaml"] == first["params.yaml"] and stamps()["data/scenes.yaml"] != first["data/scenes.yaml"]


def test_rooms_beyond_the_last_are_furnished_anew(workspace, tmp_path):
    train = [r for r in workspace.listed().values() if isinstance(r, SweetHomeRoom) and r.id.startswith("apt2-")][:3]
    rooms = furnished_anew(train, 8)
    assert rooms[:3] == train and len({room.id for room in rooms}) == len({room.seed for room in rooms}) == 8
    assert [room.room for room in rooms] == [train[i % 3].room for i in range(8)]
    assert furnished_anew(train, 5) == rooms[:5] and furnished_anew([], 5) == []
    laid = lay_out(workspace, tmp_path / "trial", designed=60)
    assert len(laid.rooms(split="train", domain="main")) == 60


@pytest.mark.parametrize("designed, generated", [(0, 0), (-1, 3), (2, -1)])
def test_a_trial_without_rooms_is_refused(workspace, tmp_path, designed, generated):
    with pytest.raises(InputError, match="trial: expected rooms to train on, got"):
        lay_out(workspace, tmp_path / "trial", designed=designed, generated=generated)


def test_a_workspace_is_no_trial_of_itself(workspace):
    with pytest.raises(InputError, match="expected a folder of its own, got this workspace"):
        lay_out(workspace, workspace.store.root, generated=1)
