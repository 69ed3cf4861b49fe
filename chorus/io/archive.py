"""The files of a folder or of a zip archive, by name: nothing outside it, and no more bytes than agreed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chorus.errors import InputError
from chorus.files import DAMAGED, read_file, reading, regular

MOST = 1 << 28  # bytes of one file: 256 MiB
CHUNK = 1 << 20


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
    with open_zip(path) as archive:
        yield lambda name: _member(path, archive, _plain(path, name))


def open_zip(path: Path, *, fix: str = DAMAGED) -> zipfile.ZipFile:
    """A zip archive. Raises InputError for what is none."""
    with reading(path, expected="a whole zip archive", fix=fix):
        return zipfile.ZipFile(regular(path))


def read_entry(archive: zipfile.ZipFile, name: str | zipfile.ZipInfo, *, fix: str = DAMAGED) -> bytes:
    """One file of an archive. Raises KeyError when it is absent, InputError when it is damaged or larger than MOST:
    what the archive says of its size is not believed."""
    entry = archive.getinfo(name) if isinstance(name, str) else name
    where = f"{archive.filename}: {entry.filename}"
    with reading(where, expected="a readable file", fix=fix), archive.open(entry) as stream:
        content = bytearray()
        while len(content) <= MOST and (some := stream.read(CHUNK)):  # at once it takes memory for all that is promised
            content += some
    if len(content) > MOST:
        raise InputError(where, expected=f"at most {MOST} bytes", got="more", fix=fix)
    return bytes(content)


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
        return read_file(file)
    except OSError as error:
        raise InputError(
            file, expected="a readable file", got=error.strerror or error, fix="Copy the whole folder."
        ) from error


def _member(path: Path, archive: zipfile.ZipFile, name: str) -> bytes:
    found = [entry for entry in archive.infolist() if entry.filename.rpartition("/")[2] == name]
    if len(found) != 1:
        held = ", ".join(entry.filename for entry in archive.infolist()[:3]) or "nothing"
        fix = "If it packs something else, unpack it first and name what was in it."
        got = f"{len(found)} of that name among {len(archive.infolist())} files ({held}, ...)"
        raise InputError(path, expected=f"{name} in the archive", got=got, fix=fix)
    return read_entry(archive, found[0])
