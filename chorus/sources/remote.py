"""Inputs by URL: https://, s3:// and whatever else fsspec knows, brought under data/downloads once."""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from pathlib import Path

from chorus.errors import InputError
from chorus.extras import extra
from chorus.store import Store, atomic_folder


def fetched(source: str, store: Store, name: str) -> Path:
    """The path itself, or the local copy of a URL: a bucket's folder, a video, or a .zip, which is unpacked.

    Raises MissingError without fsspec, InputError where the URL cannot be read.
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
        except (OSError, ValueError, ImportError, zipfile.BadZipFile) as error:
            raise InputError(
                source, expected="a URL that can be read", got=error, fix="Check it and your access."
            ) from error
    return _inside(place)


def _download(fsspec, source: str, folder: Path) -> None:
    files, remote = fsspec.core.url_to_fs(source)
    if files.isdir(remote) and "directory" == files.info(remote)["type"]:
        files.get(remote.rstrip("/") + "/", str(folder) + "/", recursive=True)
        return
    target = folder / Path(remote.split("?")[0]).name
    with files.open(remote, "rb") as stream, open(target, "wb") as out:
        shutil.copyfileobj(stream, out)
    if target.suffix.lower() == ".zip":
        with zipfile.ZipFile(target) as archive:  # extractall keeps names inside the folder
            archive.extractall(folder)
        target.unlink()


def _inside(place: Path) -> Path:
    """The one folder or video in it, else itself."""
    entries = [path for path in place.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    return entries[0] if len(entries) == 1 else place
