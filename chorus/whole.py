"""Files and folders that appear whole or not at all: after a kill, a full disk or a power cut the old one is there, or
the new one.

What is written lies beside its place until it is complete. Then it is brought to the disk (fsync: its files, its
folders), takes its place in one step (rename; folders change places with the old one), and that step is brought to the
disk too. What a killed process left is removed by the next that writes there.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from chorus.errors import ChorusError, StoreError

_FULL = {
    errno.ENOSPC: "no space left",
    errno.EDQUOT: "a quota that is used up",
    errno.EFBIG: "a file too large for it",
    errno.EIO: "an error of the disk",
    errno.EROFS: "a disk that may only be read",
}
_EXCHANGE, _HERE = 2, -100  # RENAME_EXCHANGE and AT_FDCWD of Linux


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary sibling of ``path`` that takes its place when the block ends well and vanishes when it does not.

    Raises StoreError where the disk is full or fails; what was there before stays.
    """
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        temporary = _beside(path, ".tmp")
        temporary.mkdir()
        try:
            yield temporary
            for file in temporary.rglob("*"):
                _open_like_folder(file)
                if not file.is_symlink():
                    to_disk(file)
            to_disk(temporary)
            _take_place(temporary, path)
            to_disk(path.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def atomic_file(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """A temporary sibling path to write to, renamed over ``path`` when the block ends well.

    lasting: it is to survive a power cut, for a few milliseconds' wait. Raises StoreError as :func:`atomic_folder`.
    """
    path = Path(path)
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        temporary = _beside(path, path.suffix)  # writers choose the format by it
        try:
            yield temporary
            _open_like_folder(temporary)
            if lasting:
                to_disk(temporary)
            os.replace(temporary, path)
            if lasting:
                to_disk(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """One process at a time: a second one waits here until the first has left the block or has died.

    Does nothing where the file system knows no locks.
    """
    with _held(lock, fcntl.LOCK_EX):
        yield


@contextmanager
def shared(lock: Path) -> Iterator[None]:
    """Many processes at a time, but none that is :func:`alone` with the lock, or :func:`first`."""
    with _held(lock, fcntl.LOCK_SH):
        yield


@contextmanager
def first(lock: Path) -> Iterator[bool]:
    """Whether no other process is in such a block now; this one holds it until the end, or until it dies."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
    finally:
        os.close(descriptor)


@contextmanager
def scratch_folder(kind: str) -> Iterator[Path]:
    """An empty folder among the temporary files, gone at the end; those of the same kind that killed processes left are
    removed."""
    for left in Path(tempfile.gettempdir()).glob(f"chorus-{kind}-*-*"):
        made_by = left.name.split("-")[-2]
        if made_by.isdecimal() and not _running(int(made_by)):
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=f"chorus-{kind}-{os.getpid()}-") as folder:
        yield Path(folder)


@contextmanager
def disk_errors(where: object) -> Iterator[None]:
    """What is raised within it because a disk is full or fails is a StoreError of one line."""
    try:
        yield
    except ChorusError:
        raise
    except Exception as error:
        got = _of_the_disk(error)
        if not got:
            raise
        fix = "What was there before is whole. Make room (or mend it), then run the same command again."
        raise StoreError(where, expected="a disk to write to", got=got, fix=fix) from error


@contextmanager
def _held(lock: Path, kind: int) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with suppress(OSError):
            fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def to_disk(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _of_the_disk(error: BaseException | None) -> str:
    """What a disk did, where that is behind an error; libraries in other languages say it by its number alone."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return _FULL[error.errno]
        for number, said in _FULL.items():
            if f"os error {number})" in str(error) or os.strerror(number) in str(error):
                return said
        error = error.__cause__ or error.__context__
    return ""


def _take_place(temporary: Path, path: Path) -> None:
    """Put a complete folder in its place; what was there before is then where the new one was.

    Two processes may do so at once: the later one wins, and nothing is lost in between.
    """
    while True:
        if not path.exists():
            try:
                os.replace(temporary, path)
                return
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # another process was first
                    raise
        elif _exchanged(temporary, path) or _moved_aside(temporary, path):
            return


def _exchanged(a: Path, b: Path) -> bool:
    """Let two folders change places in one step; False where the system cannot, or one of them is gone."""
    rename = _renameat2()
    if rename is None or rename(_HERE, os.fsencode(a), _HERE, os.fsencode(b), _EXCHANGE):
        number = 0 if rename is None else ctypes.get_errno()
        if number in _FULL:
            raise OSError(number, os.strerror(number), str(b))
        return False
    return True


def _moved_aside(temporary: Path, path: Path) -> bool:
    """The same in two steps, between which nothing is there: a kill then leaves the old folder for _sweep to put back.
    False where another process came between."""
    old = _beside(path, ".old")
    try:
        os.replace(path, old)
        os.replace(temporary, path)
    except OSError:
        if old.exists() and not path.exists():
            os.replace(old, path)
            raise
        return False
    finally:
        shutil.rmtree(old, ignore_errors=True)
    return True


@cache
def _renameat2():
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return None


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(f".{_stem(path, suffix)}.{os.getpid()}-{uuid.uuid4().hex[:8]}{suffix}")


def _stem(path: Path, suffix: str) -> str:
    return path.name if suffix in (".tmp", ".old") else path.stem


def _sweep(path: Path) -> None:
    """Remove what processes that were killed left beside ``path``; those still running keep theirs. An old folder whose
    place is empty goes back to it: the process died between two renames."""
    for suffix in {".tmp", ".old", path.suffix}:
        named = re.compile(rf"\.{re.escape(_stem(path, suffix))}\.(\d+)-[0-9a-f]{{8}}{re.escape(suffix)}")
        for left in path.parent.iterdir():
            found = named.fullmatch(left.name)
            if found is None or _running(int(found[1])):
                continue
            if suffix == ".old" and not path.exists():
                os.replace(left, path)
            elif left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
            else:
                left.unlink(missing_ok=True)


def _running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it runs, under another user
        return True
    return True


def _open_like_folder(file: Path) -> None:
    """Those who may read the folder may read the file: some libraries write files for their owner alone."""
    if file.is_file() and not file.is_symlink():
        file.chmod(file.parent.stat().st_mode & 0o666)
