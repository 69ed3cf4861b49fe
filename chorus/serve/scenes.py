"""The scenes a server keeps, encoded and ready to answer, within an agreed amount of memory."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from chorus.encoder.shipped import SAMPLE, SAMPLE_NAME
from chorus.errors import ChorusError
from chorus.serve import shapes, verbs
from chorus.serve.folder import Folder
from chorus.serve.refusals import TooLarge, Unknown
from chorus.store import Store, hash_path
from chorus.view.named import NamedScene, open_scene
from chorus.view.session import Session

BESIDE = 24  # bytes a Gaussian of what is worked out later: label, instance, score, the file's row


@dataclass(frozen=True)
class Kept:
    """info: what is told of it; bytes: that it takes."""

    info: shapes.Scene
    session: Session
    bytes: int


class KeptScenes:
    """encoder: as chorus.load gives it; most_bytes: over which the scene that was asked least recently is dropped."""

    def __init__(self, encoder, folder: Folder, *, most_bytes: int):
        self.encoder, self.folder, self.most_bytes = encoder, folder, most_bytes
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = Lock()

    def open(self, name: str, frame: shapes.Frame) -> Kept:
        """The scene of a path below the folder, or the room that ships. Raises ChorusError that names nothing outside
        the folder."""
        path = SAMPLE if name == SAMPLE_NAME else self.folder.find(name)
        with _told_as(path, name):
            return self._open(path, name, frame)

    def take(self, path: Path, frame: shapes.Frame) -> Kept:
        """The scene of a file that was uploaded, which is read before this returns."""
        with _told_as(path, path.name):
            return self._open(path, path.name, frame)

    def get(self, id: str) -> Session:
        """A kept scene, which is then the last to be dropped. Raises Unknown."""
        with self._lock:
            self._known(id)
            self._kept.move_to_end(id)
            return self._kept[id].session

    def info(self, id: str) -> shapes.Scene:
        """What is told of a kept scene. Raises Unknown."""
        with self._lock:
            return self._known(id).info

    def drop(self, id: str) -> None:
        """Raises Unknown."""
        with self._lock:
            self._known(id)
            del self._kept[id]

    def list(self) -> shapes.Scenes:
        """All that are kept, the one asked last at the end."""
        with self._lock:
            infos = [kept.info for kept in self._kept.values()]
        return shapes.Scenes(scenes=infos, bytes=self.bytes, most_bytes=self.most_bytes)

    @property
    def bytes(self) -> int:
        with self._lock:
            return sum(kept.bytes for kept in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def _known(self, id: str) -> Kept:
        if id not in self._kept:
            fix = "It was dropped or never opened: POST the scene again."
            raise Unknown(f"scene {id[:64]!r}", expected="one of the scenes kept", got="another", fix=fix)
        return self._kept[id]

    def _open(self, path: Path, name: str, frame: shapes.Frame) -> Kept:
        asked = frame.model_dump(include={"up", "scale", "unit"})
        id = hashlib.sha256(json.dumps([hash_path(path), path.suffix.lower(), asked]).encode()).hexdigest()[:16]
        with self._lock:
            if id in self._kept:
                self._kept.move_to_end(id)
                return self._kept[id]
        named = self._read(path, asked)
        size = self._size(named)
        if size > self.most_bytes:
            got = f"{len(named.gaussians):,} Gaussians, {size / 1e6:.0f} MB with their features"
            expected = f"a scene of at most {self.most_bytes / 1e6:.0f} MB"
            raise TooLarge(name, expected=expected, got=got, fix="Give the server more --memory, or crop the scene.")
        session = Session(named, self.encoder)
        session.search  # noqa: B018  made when first read: here, where it is waited for
        kept = Kept(_info(id, name, session), session, size)
        with self._lock:
            while self._kept and size + sum(one.bytes for one in self._kept.values()) > self.most_bytes:
                self._kept.popitem(last=False)
            self._kept[id] = kept
        return kept

    def _read(self, path: Path, asked: dict) -> NamedScene:
        if path == SAMPLE:
            return open_scene(SAMPLE_NAME, Store(path.parent), **asked)
        return open_scene(str(path), Store(path.parent), **asked)

    def _size(self, named: NamedScene) -> int:
        """Bytes of a scene with its features, which are kept as 32-bit floats."""
        scene = named.gaussians
        own = sum(tensor.numel() * tensor.element_size() for tensor in scene.tensors().values())
        return own + len(scene) * (4 * self.encoder.channels("lang") + BESIDE)


def _info(id: str, name: str, session: Session) -> shapes.Scene:
    scene = session.scene
    low, high = verbs.corners(session)
    return shapes.Scene(
        id=id,
        name=name,
        gaussians=len(scene),
        unit=session.named.unit,
        frame=scene.frame.says(),
        low=low,
        high=high,
        notes=list(scene.report.notes),
    )


@contextmanager
def _told_as(path: Path, name: str) -> Iterator[None]:
    """An error speaks of the name that was asked for, not of where the file lies here."""
    try:
        yield
    except ChorusError as error:
        parts = [part.replace(str(path), name) for part in (error.where, error.expected, error.got, error.fix)]
        where, expected, got, fix = (part.replace(f"{path.parent}/", "") for part in parts)
        if isinstance(error, TooLarge):
            raise
        raise type(error)(where, expected=expected, got=got, fix=fix) from error
