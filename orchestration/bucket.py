"""Artifacts in a bucket that many machines share: what a stage reads is pulled before it, by the hashes its manifest
names, and what it made is pushed after it. A worker then needs nothing but the checkout, the database and the bucket.

CHORUS_BUCKET names it (s3://BUCKET/PREFIX, or any address fsspec reads); without it nothing is pulled or pushed. A file
lies there once, under its sha256; a manifest lies under its stage and scene, and is written when all its files are.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from chorus.errors import InputError, MissingError, StoreError
from chorus.stages import ADAPTED, CAPTURE, EMBEDDED, ENCODER, EVALUATION, PER_SCENE, REGISTRY
from chorus.store import MANIFEST, Store, hash_file
from chorus.whole import atomic_folder
from chorus.workspace import Workspace

ADDRESS = "CHORUS_BUCKET"
_LEARNT = (ENCODER, ADAPTED, EVALUATION, REGISTRY)  # each reads every scene, and those before it


@dataclass(frozen=True)
class Bucket:
    """files: an fsspec file system; root: the prefix in it, without a slash at the end."""

    files: Any
    root: str

    def pull(self, store: Store, stage: str, scene: str | None = None) -> bool:
        """Bring an artifact into its place, unless the same one is there; False where the bucket has none.

        Raises StoreError where a file there is not what the manifest says it is.
        """
        said = self._read(self._manifest(stage, scene))
        if said is None:
            return False
        path, manifest = store.artifact(stage, scene), json.loads(said)
        if (path / MANIFEST).exists() and (path / MANIFEST).read_bytes() == said:
            return True
        with atomic_folder(path) as temporary:
            for name, digest in manifest["files"].items():
                self._fetch(_inside(temporary, name), digest)
            (temporary / MANIFEST).write_bytes(said)
        return True

    def push(self, store: Store, stage: str, scene: str | None = None) -> None:
        """Bring an artifact into the bucket: files it lacks, then the manifest."""
        path = store.artifact(stage, scene)
        said = (path / MANIFEST).read_bytes()
        if self._read(self._manifest(stage, scene)) == said:
            return
        for name, digest in json.loads(said)["files"].items():
            key = self._file(digest)
            if not self.files.exists(key):
                self.files.makedirs(key.rpartition("/")[0], exist_ok=True)
                self.files.put_file(str(path / name), key)
        self._write(self._manifest(stage, scene), said)

    def _fetch(self, path: Path, digest: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.files.get_file(self._file(digest), str(path))
        found = hash_file(path)
        if found != digest:
            raise StoreError(self._file(digest), expected="the bytes its name says", got=f"sha256 {found}")

    def _read(self, key: str) -> bytes | None:
        self.files.invalidate_cache()
        try:
            return self.files.cat_file(key)
        except FileNotFoundError:
            return None

    def _write(self, key: str, content: bytes) -> None:
        self.files.makedirs(key.rpartition("/")[0], exist_ok=True)
        self.files.pipe_file(key, content)

    def _file(self, digest: str) -> str:
        return f"{self.root}/files/{digest[:2]}/{digest}"

    def _manifest(self, stage: str, scene: str | None) -> str:
        return f"{self.root}/manifests/{stage}{f'/{scene}' if scene else ''}.json"


def bucket() -> Bucket | None:
    """The bucket that is named, None where none is. Raises MissingError where what reads it is not installed."""
    address = os.environ.get(ADDRESS)
    if not address:
        return None
    try:
        import fsspec

        files, root = fsspec.core.url_to_fs(address)
    except ImportError as error:
        fix = "Run: pip install 'chorus-gs[cluster]'."
        raise MissingError(ADDRESS, expected=f"what reads {address}", got=error, fix=fix) from error
    except ValueError as error:
        raise InputError(ADDRESS, expected="s3://BUCKET/PREFIX or the like", got=repr(address)) from error
    return Bucket(files, root.rstrip("/"))


def pull_what_is_read(workspace: Workspace, stage: str, scene: str | None) -> None:
    """Pull what a stage is made from, and what it made before."""
    there = bucket()
    if there is not None:
        for name, of in [*_read_by(workspace, stage, scene), (stage, scene)]:
            there.pull(workspace.store, name, of)


def push_what_was_made(store: Store, stage: str, scene: str | None) -> None:
    """Push an artifact; does nothing without a bucket."""
    there = bucket()
    if there is not None:
        there.push(store, stage, scene)


def _read_by(workspace: Workspace, stage: str, scene: str | None) -> list[tuple[str, str | None]]:
    """(stage, scene) of all that a stage may read."""
    everything = list(workspace.listed())
    if stage in PER_SCENE:
        return [(EMBEDDED, None), *((name, scene) for name in PER_SCENE[: PER_SCENE.index(stage)])]
    if stage == EMBEDDED:
        return [(CAPTURE, name) for name in everything]
    scenes = [(name, one) for one in everything for name in PER_SCENE]
    return [(EMBEDDED, None), *scenes, *((name, None) for name in _LEARNT[: _LEARNT.index(stage)])]


def _inside(folder: Path, name: str) -> Path:
    """A file's place in a folder. Raises StoreError for a name that leads out of it."""
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts or PurePosixPath(name).is_absolute():
        raise StoreError(MANIFEST, expected="names of files in its folder", got=repr(name))
    return folder.joinpath(*parts)
