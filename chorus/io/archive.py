"""The files of a folder or of a zip archive, by name: nothing outside it, and no more bytes than agreed."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chorus.errors import InputError

MOST = 1 << 28  # bytes of one file: 256 MiB
_DAMAGED = "The file is cut off or damaged: copy it again."


@contextmanager
def open_files(path: Path) -> Iterator[Callable[[str], bytes]]:
    """What reads a file by its name: beside a .json, in a folder, or in a .zip or .sog bundle (at its root or in its
    one folder).

    The reader raises InputError for a name that leads elsewhere, a file that is absent or larger than MOST.
    """
    path = Path(path)
    if path.is_dir() or path.suffix.lower() == ".json":
        folder = path if path.is_dir() else path.parent
        yield lambda name: _beside(folder, _plain(path, name))
        return
    try:
        with zipfile.ZipFile(path) as archive:
            yield lambda name: _member(path, archive, _plain(path, name))
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(path, expected="a zip archive", got=error, fix=_DAMAGED) from error


def _plain(path: Path, name: object) -> str:
    if not isinstance(name, str) or not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise InputError(path, expected="plain file names, without folders", got=repr(name))
    return name


def _beside(folder: Path, name: str) -> bytes:
    file = folder / name
    try:
        if file.resolve().parent != folder.resolve():
            raise InputError(file, expected="a file of this folder", got=f"a link to {file.resolve()}")
        if file.stat().st_size > MOST:
            raise InputError(file, expected=f"at most {MOST} bytes", got=file.stat().st_size)
        return file.read_bytes()
    except OSError as error:
        raise InputError(
            file, expected="a readable file", got=error.strerror or error, fix="Copy the whole folder."
        ) from error


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    found = [entry for entry in archive.infolist() if entry.filename.rpartition("/")[2] == name]
    if len(found) != 1:
        raise InputError(path, expected=f"{name} in the archive", got=f"{len(found)} of that name", fix=_DAMAGED)
    try:
        with archive.open(found[0]) as stream:
            content = stream.read(MOST + 1)  # what the archive says of its size is not believed
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(path, expected=f"a readable {name}", got=error, fix=_DAMAGED) from error
    if len(content) > MOST:
        raise InputError(path, expected=f"{name} of at most {MOST} bytes", got="more")
    return content
