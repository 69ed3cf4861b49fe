import signal
import subprocess
import sys

import pytest

from chorus.errors import StoreError
from chorus.store import Store, atomic_file, atomic_folder, build, hash_folder, manifest_of


@pytest.mark.parametrize("scene", ["../etc", "a/b", "", "A", ".hidden", "a b", None])
def test_only_plain_ids_reach_a_path(tmp_path, scene):
    with pytest.raises(StoreError, match="scene id"):
        Store(tmp_path).scene(scene, "capture")


def make(text):
    def write(folder):
        (folder / "deep").mkdir()
        (folder / "deep" / "a.txt").write_text(text)

    return write


def request(path, text="one", **change):
    fields = {"stage": "s", "recipe": 1, "params": {"k": (1, 2)}, "inputs": {"x": "h"}, **change}
    return build(path, make=make(text), **fields)


def test_a_matching_artifact_is_left_alone(tmp_path):
    first = request(tmp_path / "a")
    again = request(tmp_path / "a", text="two")
    assert first.fresh and not again.fresh and first.hash == again.hash
    assert (tmp_path / "a" / "deep" / "a.txt").read_text() == "one"


@pytest.mark.parametrize("change", [{"params": {"k": 3}}, {"inputs": {"x": "other"}}, {"recipe": 2}, {"force": True}])
def test_another_request_makes_it_again(tmp_path, change):
    request(tmp_path / "a")
    again = request(tmp_path / "a", text="two", **change)
    assert again.fresh and (tmp_path / "a" / "deep" / "a.txt").read_text() == "two"


def test_a_lost_file_makes_it_again(tmp_path):
    request(tmp_path / "a")
    (tmp_path / "a" / "deep" / "a.txt").unlink()
    assert request(tmp_path / "a").fresh


def test_a_failed_stage_leaves_the_old_artifact_whole(tmp_path):
    request(tmp_path / "a")

    def fail(folder):
        (folder / "half").write_text("x")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        build(tmp_path / "a", stage="s", recipe=2, params={}, inputs={}, make=fail)
    assert (tmp_path / "a" / "deep" / "a.txt").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_what_a_killed_run_left_is_swept_and_what_a_living_one_writes_is_not(tmp_path):
    folder = str(tmp_path / "a")
    script = (
        f"import os, signal; from chorus.store import atomic_folder\nwith atomic_folder({folder!r}): "
        f"os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == -signal.SIGKILL
    (killed,) = tmp_path.iterdir()
    with atomic_folder(tmp_path / "a") as first:
        assert not killed.exists()
        with atomic_folder(tmp_path / "a"):
            assert first.exists()
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_the_hash_depends_on_content_alone(tmp_path):
    a, b = request(tmp_path / "a"), request(tmp_path / "b", params={"other": 1})
    assert a.hash == b.hash == hash_folder(tmp_path / "a")
    assert request(tmp_path / "c", text="two").hash != a.hash


def test_absent_and_damaged_manifests_say_what_to_do(tmp_path):
    with pytest.raises(StoreError, match="Materialize"):
        manifest_of(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(StoreError, match="Delete the folder"):
        manifest_of(tmp_path)


def test_atomic_file_keeps_the_old_one_on_failure(tmp_path):
    target = tmp_path / "x.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_file(target) as temporary:
        temporary.write_text("new")
        raise RuntimeError
    assert target.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_scenes_with_lists_only_finished_parts(tmp_path):
    store = Store(tmp_path)
    request(store.scene("kitchen", "capture"))
    store.scene("half", "capture").mkdir(parents=True)
    assert store.scenes_with("capture") == ["kitchen"]


def test_files_are_as_open_as_their_folder(tmp_path):
    def private(folder):
        (folder / "a.txt").write_text("x")
        (folder / "a.txt").chmod(0o600)

    build(tmp_path / "shared", make=private, stage="s", recipe=1, params={}, inputs={})
    assert (tmp_path / "shared" / "a.txt").stat().st_mode & 0o777 == (tmp_path / "shared").stat().st_mode & 0o666
    tmp_path.chmod(0o755)
    with atomic_file(tmp_path / "b.txt") as temporary:
        temporary.write_text("x")
        temporary.chmod(0o600)
    assert (tmp_path / "b.txt").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", ["50%20", "what?", "C# (2)", "Meine Räume & Co"])
def test_history_has_a_path_that_database_urls_take(tmp_path, name, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = Store(tmp_path / name)
    assert not set("%?#") & set(str(store.history)) and store.history == store.history
    assert store.history.resolve() == store.state.resolve()
