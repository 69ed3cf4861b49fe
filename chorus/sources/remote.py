"""Inputs by URL: https://, s3:// and whatever else fsspec knows, brought under data/downloads once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from chorus.errors import InputError
from chorus.extras import extra
from chorus.files import reading
from chorus.io.archive import open_zip
from chorus.room import GIGA, require_disk
from chorus.store import Store, atomic_folder

MOST = 100 * GIGA  # bytes: what is larger is no capture
_CHUNK = 1 << 22
_LEAST, _DENSEST = 1 << 26, 200  # bytes, and times the archive's size: what unpacking may make
_SMALLER = "Bring a part of it, or download it yourself and ingest the folder."


def fetched(source: str, store: Store, name: str) -> Path:
    """The path itself, or the local copy of a URL: a bucket's folder, a file, or a .zip, which is unpacked.

    What was fetched once is not fetched again; nothing is left of a copy that failed. Raises MissingError without
    fsspec; InputError where the URL cannot be read, holds nothing, is larger than ``MOST`` or the disk, or where a name
    in it leads out of its folder. Passwords and signatures in a URL appear in no message.
    """
    if "://" not in source:
        return Path(source)
    place = store.data / "downloads" / f"{name}-{hashlib.sha256(source.encode()).hexdigest()[:12]}"
    if not place.is_dir():
        with extra("remote"):
            import fsspec
        try:
            with atomic_folder(place) as folder:
                _download(fsspec, source.rstrip("/"), folder)
        except InputError:
            raise
        except Exception as error:  # every protocol has errors of its own
            got = one_line(error, source)
            fix = "Check that it is there, and your access to it."
            raise InputError(plain(source), expected="a URL that can be read", got=got, fix=fix) from error
    return _inside(place)


def _download(fsspec, source: str, folder: Path) -> None:
    files, remote = fsspec.core.url_to_fs(source)
    entry = files.info(remote)
    if entry["type"] == "directory":
        _copy_folder(files, remote.rstrip("/"), folder, where=plain(source))
        return
    target = folder / _safe(Path(urlsplit(source).path).name or "download", where=plain(source))
    _copy(files, remote, target, size=entry.get("size"), where=plain(source))
    if target.suffix.lower() == ".zip":
        _unpack(target, folder, where=plain(source))
        target.unlink()


def _copy_folder(files, remote: str, folder: Path, *, where: str) -> None:
    listed = {path: entry for path, entry in sorted(files.find(remote, detail=True).items()) if path != remote}
    names = {path: path.removeprefix(f"{remote}/") for path in listed}
    # buckets have empty files that stand for folders
    names = {path: name for path, name in names.items() if name and not name.endswith("/")}
    if not names:
        raise InputError(where, expected="a folder with files", got="an empty one")
    _check_size(sum(listed[path].get("size") or 0 for path in names), folder, where=where)
    for path, name in names.items():
        target = folder / _safe(name, where=where)
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(files, path, target, size=listed[path].get("size"), where=f"{where}/{name}")


def _copy(files, remote: str, target: Path, *, size: int | None, where: str) -> None:
    """One file, as many bytes as it says it has and no more than there may be."""
    _check_size(size or 0, target.parent, where=where)
    done = 0
    try:
        with files.open(remote, "rb", **({} if size else {"block_size": 0})) as stream, open(target, "wb") as out:
            for part in _parts(stream):
                done += len(part)
                _check_most(done, where=where)
                require_disk(target.parent, len(part), what=where)
                out.write(part)
    except FileNotFoundError as error:
        raise InputError(
            where,
            expected="a file that was listed or named",
            got="none: it is gone or was never there",
            fix="Try again.",
        ) from error
    if size is not None and done != size:
        raise InputError(where, expected=f"{size} bytes", got=done, fix="The connection broke: try again.")


def _parts(stream) -> Iterator[bytes]:
    while part := stream.read(_CHUNK):
        yield part


def _unpack(archive: Path, folder: Path, *, where: str) -> None:
    with open_zip(archive, fix="Pack it again.") as found, reading(where, expected="a whole zip archive"):
        entries, packed = found.infolist(), archive.stat().st_size
        size = sum(entry.file_size for entry in entries)
        if size > max(_LEAST, _DENSEST * packed):
            expected, got = f"{packed} bytes to unpack to at most {_DENSEST} times as many", f"{size} bytes"
            raise InputError(where, expected=expected, got=got, fix=_SMALLER)
        _check_size(size, folder, where=where)
        for entry in entries:
            _safe(entry.filename, where=where)
        found.extractall(folder)  # no entry writes more than it says, and a link becomes a file that holds its target


def _check_size(size: float, folder: Path, *, where: str) -> None:
    _check_most(size, where=where)
    require_disk(folder, size, what=where)


def _check_most(size: float, *, where: str) -> None:
    if size > MOST:
        raise InputError(where, expected=f"at most {MOST / GIGA:.4g} GB", got=f"{size / GIGA:.4g} GB", fix=_SMALLER)


def _safe(name: str, *, where: str) -> str:
    """The name itself, where it stays in the folder it is put in."""
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or ":" in name.partition("/")[0]:
        raise InputError(
            where, expected="names inside the folder", got=repr(name), fix="Do not use this source, or rename it."
        )
    return name


def plain(source: str) -> str:
    """A URL without its user, password, query and fragment: those hold secrets."""
    parts = urlsplit(source)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def one_line(error: Exception, source: str) -> str:
    """What an error says of a URL, which stands in it as :func:`plain` has it."""
    text = str(error).replace(source, plain(source)) or type(error).__name__
    return " ".join(text.split())[:200]


def _inside(place: Path) -> Path:
    """The one folder or file in it, else itself."""
    entries = [path for path in place.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    return entries[0] if len(entries) == 1 else place
