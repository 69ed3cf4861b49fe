"""Files of shards, and the address they lie at.

In a shard, a tar file, each scene has two files side by side under its name (NAME.ply, NAME.rows.safetensors), as
WebDataset has it, whose tools read them too. index.json tells which scenes lie in which shard, each shard's sha256 and
the scenes' own hashes; files of their own, named in it by their hashes, hold what a training must know of all scenes
before it opens one: PHI-S of every role, and a sample of targets for the balance.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from safetensors.torch import load_file, save_file
from torch import Tensor

from chorus.distill.load import StoredScene
from chorus.errors import ChorusError, InputError, StoreError
from chorus.extras import extra
from chorus.sources.remote import one_line, plain
from chorus.store import hash_file, is_scene_id
from chorus.teachers.phi_s import PhiS
from chorus.teachers.rows import ROWS
from chorus.whole import scratch_folder

INDEX = "index.json"
SCENE = "scene.ply"  # of a scene's folder
SAMPLE = "sample"  # beside the roles
FORMAT = 1
_MEMBERS = {f".{ROWS}": ROWS, ".ply": SCENE}  # what stands behind a scene's name in a shard -> the file's own name
_PART = 1 << 22  # bytes


@dataclass(frozen=True)
class Shard:
    """file: its name at the address; sha256 and bytes: of it; scenes: the names of those in it."""

    file: str
    sha256: str
    bytes: int
    scenes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Index:
    """hashes: of the scenes, in the order of the shards; widths: role -> C; teachers: role -> name; known: as
    :func:`put_known` gives it."""

    shards: tuple[Shard, ...]
    hashes: tuple[str, ...]
    widths: Mapping[str, int]
    teachers: Mapping[str, str]
    known: Mapping[str, str]
    format: int = FORMAT

    @property
    def names(self) -> list[str]:
        return [name for shard in self.shards for name in shard.scenes]

    def written(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def parsed(cls, said: bytes, where: str) -> Index:
        """What :meth:`written` gave. Raises InputError for what is no index, or one of another format."""
        try:
            found = json.loads(said)
            if found["format"] != FORMAT:
                raise ValueError(f"format {found['format']}")
            shards = tuple(Shard(**{**each, "scenes": tuple(each["scenes"])}) for each in found.pop("shards"))
            index = cls(shards=shards, **{**found, "hashes": tuple(found["hashes"])})
            names = index.names
            if not names or len(set(names)) != len(names) or len(names) != len(index.hashes):
                raise ValueError(f"{len(set(names))} names, {len(index.hashes)} hashes of {len(names)} scenes")
            words = (*(shard.file for shard in shards), *index.known)
            if not all(map(is_scene_id, names)) or any("/" in word for word in words) or SAMPLE not in index.known:
                raise ValueError("names that are none")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            got = f"{type(error).__name__}: {error}"
            raise InputError(f"{where}/{INDEX}", expected=f"an index of shards, format {FORMAT}", got=got) from error
        return index


class Address:
    """A folder or a bucket's prefix that files are read from and written to by name: any that fsspec knows."""

    def __init__(self, address: str):
        with extra("remote"):
            import fsspec
        self._address, self.said = address, plain(address) if "://" in address else address
        with self.told():
            self.files, root = fsspec.core.url_to_fs(address)
        self.root = root.rstrip("/")

    @contextmanager
    def told(self) -> Iterator[None]:
        """What a protocol raises within it is an InputError of one line."""
        try:
            yield
        except ChorusError:
            raise
        except Exception as error:
            got = one_line(error, self._address)  # every protocol has errors of its own
            fix = "Check the address, that shards were written there (chorus shard), and your access to it."
            raise InputError(self.said, expected="an address of shards", got=got, fix=fix) from error

    def read(self, name: str) -> bytes:
        with self.told():
            self.files.invalidate_cache()
            return self.files.cat_file(self._path(name))

    def write(self, name: str, content: bytes) -> None:
        with self.told():
            self.files.makedirs(self.root, exist_ok=True)
            self.files.pipe_file(self._path(name), content)

    def has(self, name: str, size: int) -> bool:
        """Whether a file of this name and size is there."""
        with self.told():
            self.files.invalidate_cache()
            return self.files.exists(self._path(name)) and self.files.size(self._path(name)) == size

    def put(self, file: Path, name: str) -> None:
        with self.told():
            self.files.makedirs(self.root, exist_ok=True)
            self.files.put_file(str(file), self._path(name))

    def fetch(self, name: str, file: Path, *, sha256: str) -> None:
        """Bring a file. Raises StoreError where it is not the one that is named by its hash."""
        with self.told():
            self.files.get_file(self._path(name), str(file))
        found = hash_file(file)
        if found != sha256:
            fix = "Write the shards again: chorus shard."
            raise StoreError(f"{self.said}/{name}", expected=f"sha256 {sha256[:12]}", got=found[:12], fix=fix)

    def _path(self, name: str) -> str:
        return f"{self.root}/{name}"


def pack(scenes: Sequence[StoredScene], out: Path) -> None:
    """Write scenes into a tar file: the same bytes for the same scenes."""
    with tarfile.open(out, "w", format=tarfile.USTAR_FORMAT) as archive:
        for scene in scenes:
            for suffix, file in _files(scene).items():
                entry = tarfile.TarInfo(f"{scene.name}{suffix}")
                entry.size, entry.mode = file.stat().st_size, 0o644
                with file.open("rb") as content:
                    archive.addfile(entry, content)


def unpack(archive: Path, names: Sequence[str], out: Path) -> None:
    """Make a folder of every scene of a shard. Raises StoreError for members it should not have, or lacks."""
    wanted = {f"{name}{suffix}": (name, file) for name in names for suffix, file in _MEMBERS.items()}
    try:
        with tarfile.open(archive, "r:") as found:
            for member in found:
                name, file = wanted.pop(member.name)
                content = found.extractfile(member)
                if content is None:
                    raise ValueError(f"{member.name} is no file")
                (out / name).mkdir(exist_ok=True)
                _copy(content, out / name / file)
        if wanted:
            raise ValueError(f"no {min(wanted)}")
    except (tarfile.TarError, ValueError, KeyError) as error:
        raise StoreError(archive.name, expected=f"a shard of {len(names)} scenes", got=error) from error


def put_known(place: Address, standards: Mapping[str, PhiS], sample: Tensor) -> dict[str, str]:
    """Write PHI-S of every role, and the sample for the balance; what each is of -> sha256 of its file."""
    found = {}
    with scratch_folder("shard") as folder:
        for role, fitted in standards.items():
            fitted.save(folder / role)
        save_file({SAMPLE: sample.contiguous()}, folder / SAMPLE)
        for file in sorted(folder.iterdir()):
            found[file.name] = hash_file(file)
            place.put(file, _known(file.name, found[file.name]))
    return found


def fetch_known(place: Address, known: Mapping[str, str]) -> tuple[dict[str, PhiS], Tensor]:
    """What :func:`put_known` wrote. Raises InputError or StoreError for what it did not."""
    with scratch_folder("shard") as folder:
        for name, sha256 in known.items():
            place.fetch(_known(name, sha256), folder / name, sha256=sha256)
        standards = {name: PhiS.load(folder / name) for name in known if name != SAMPLE}
        return standards, load_file(folder / SAMPLE)[SAMPLE]


def _known(name: str, sha256: str) -> str:
    return f"known-{name}-{sha256[:12]}.safetensors"


def _files(scene: StoredScene) -> dict[str, Path]:
    """The suffix of a scene's file in a shard -> the file."""
    splats = scene.gaussians / SCENE if scene.gaussians.is_dir() else scene.gaussians
    return {".ply": splats, f".{ROWS}": scene.targets / ROWS}


def _copy(content: IO[bytes], out: Path) -> None:
    with out.open("wb") as file:
        while part := content.read(_PART):
            file.write(part)


def size_of(scene: StoredScene) -> int:
    """Bytes of what a shard holds of a scene."""
    return sum(file.stat().st_size for file in _files(scene).values())
