"""A disk that is full or fails: the old artifact is whole, one line says so, and there is room again to the same bytes.

CHORUS_MOMENTS: at how many calls to the disk each stage is made to fail in the slow test.
"""

import json
import os
import re
import subprocess
import sys

import pytest

from chorus.errors import StoreError
from chorus.whole import atomic_file, atomic_folder, disk_errors
from tests.promises.conftest import ROOT, environment, lay_out

MOMENTS = int(os.environ.get("CHORUS_MOMENTS", "200"))


def fail_at(root, disk, error: str, tries: int) -> dict:
    command = [sys.executable, "-m", "tests.promises.disk_run", str(root), error, str(tries), "0"]
    env = environment(root, LD_PRELOAD=str(disk), DISK_FOLDER=str(root / "data"))
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return json.loads(done.stdout)


def check(told: dict) -> None:
    for stage, found in told.items():
        assert found["same"] and not found["left"], (stage, found)
        assert found["refused"] > 0.8 * found["tries"], (stage, found)  # the last calls remove what is old


def test_a_full_disk(tmp_path, disk):
    check(fail_at(lay_out(tmp_path), disk, "ENOSPC", 6))


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EDQUOT"])
def test_many_moments(tmp_path, disk, error):
    check(fail_at(lay_out(tmp_path), disk, error, MOMENTS))


def test_the_command_line_says_it_in_a_line(tmp_path, disk):
    root = lay_out(tmp_path)
    env = environment(root, LD_PRELOAD=str(disk), DISK_FOLDER=str(root / "data"), DISK_AT="30", DISK_ERROR="28")
    command = [sys.executable, "-m", "chorus.cli", "ingest", str(root / "data/incoming/room"), "--as", "room"]
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("chorus:")]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "got no space left. What was there before is whole." in line
    assert not list((root / "data/capture").iterdir())


def test_a_power_cut_finds_everything_on_the_disk(tmp_path, disk):
    """The order of calls: every file is on the disk before its folder takes its place, and then that is."""
    script = f"""
from pathlib import Path
from chorus.whole import atomic_file, atomic_folder
for content in ("old", "new"):
    with atomic_folder(Path({str(tmp_path)!r}) / "art") as folder:
        (folder / "deep").mkdir()
        for name in ("a", "b", "deep/c"):
            (folder / name).write_text(content)
    with atomic_file(Path({str(tmp_path)!r}) / "one.txt") as path:
        path.write_text(content)
"""
    log = tmp_path.parent / "calls.txt"
    env = environment(tmp_path, LD_PRELOAD=str(disk), DISK_FOLDER=str(tmp_path), DISK_LOG=str(log))
    subprocess.run([sys.executable, "-c", script], env=env, check=True)
    calls = [
        re.sub(r"\.\d+-[0-9a-f]{8}", "", line) for line in log.read_text().replace(f"{tmp_path}/", "").splitlines()
    ]
    calls = [call.replace(str(tmp_path), ".") for call in calls if not call.startswith("mkdir")]
    folder = [f"{what} .art.tmp/{name}" for what in ("write", "fsync") for name in ("a", "b", "deep/c")]
    once = calls[: len(calls) // 2]
    assert calls == 2 * once
    art = once[: once.index("fsync .") + 1]
    assert sorted(art[:3]) == sorted(folder[:3])
    assert sorted(art[3:-3]) == sorted([*folder[3:], "fsync .art.tmp/deep"])
    assert art[-3:] == ["fsync .art.tmp", "rename .art.tmp art", "fsync ."]
    assert once[len(art) :] == ["write .one.txt", "fsync .one.txt", "rename .one.txt one.txt", "fsync ."]


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_new_folder_takes_the_place_of_the_old_one(tmp_path, exchanges, monkeypatch):
    if not exchanges:
        monkeypatch.setattr("chorus.whole._renameat2", lambda: None)
    for content in ("one", "two", "three"):
        with atomic_folder(tmp_path / "a") as folder:
            (folder / content).write_text(content)
        assert [path.name for path in (tmp_path / "a").iterdir()] == [content]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_kill_between_two_renames_loses_nothing(tmp_path):
    """Where folders cannot change places in one step: the old one is put back by the next that writes there."""
    script = """
import os, signal, sys
from pathlib import Path
import chorus.whole as whole
whole._renameat2 = lambda: None
replace, calls = os.replace, []
def second(a, b):
    calls.append(a)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(a, b)
os.replace = second
with whole.atomic_folder(Path(sys.argv[1]) / "a") as folder:
    (folder / "new").write_text("new")
"""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/old").write_text("old")
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, check=False)
    assert not (tmp_path / "a").exists() and len(list(tmp_path.iterdir())) == 2
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "a"):
        assert (tmp_path / "a/old").read_text() == "old"
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_files_that_a_killed_process_left_are_swept(tmp_path):
    dead = subprocess.Popen(["true"])
    dead.wait()
    for name in (f".a.{dead.pid}-0123abcd.txt", f".a.{os.getpid()}-0123abcd.txt", f".ab.{dead.pid}-0123abcd.txt"):
        (tmp_path / name).write_text("x")
    with atomic_file(tmp_path / "a.txt") as path:
        path.write_text("y")
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [f".a.{os.getpid()}-0123abcd.txt", f".ab.{dead.pid}-0123abcd.txt", "a.txt"]
    )


def test_errors_of_the_disk_are_told_from_others():
    for error in (OSError(28, "No space left on device"), RuntimeError("I/O error: os error 28)")):
        with pytest.raises(StoreError, match="no space left"), disk_errors("here"):
            try:
                raise error
            except Exception as cause:
                raise RuntimeError("writing failed") from cause
    with pytest.raises(FileNotFoundError), disk_errors("here"):
        raise FileNotFoundError(2, "gone")
