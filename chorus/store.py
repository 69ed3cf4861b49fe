"""Where every artifact lives, written whole or not at all. The only file that knows the paths under data/."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from chorus.errors import StoreError
from chorus.json_files import write_json
from chorus.names import did_you_mean
from chorus.stages import ADAPTED, EMBEDDED, ENCODER, EVALUATION, PER_SCENE, REGISTRY, part_of
from chorus.whole import alone, atomic_folder
from chorus.whole import atomic_file as atomic_file

MANIFEST = "manifest.json"
_SCENE_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")


def is_scene_id(name: str) -> bool:
    """Whether it may name a folder."""
    return _SCENE_ID.fullmatch(name) is not None


def check_scene_id(scene: str | None) -> str:
    """The id itself when it may name a folder. Raises StoreError otherwise."""
    if not isinstance(scene, str) or not is_scene_id(scene):
        raise StoreError(
            "scene id", expected="lower-case letters, digits, - and _, starting with a letter or digit", got=repr(scene)
        )
    return scene


@dataclass(frozen=True)
class Artifact:
    """A folder on disk with its content hash; ``fresh`` is True when this call made it."""

    path: Path
    hash: str
    fresh: bool


def root_folder() -> Path:
    """The workspace's project folder: CHORUS_ROOT, else the working directory."""
    return Path(os.environ.get("CHORUS_ROOT") or ".").resolve()


@dataclass(frozen=True)
class Store:
    """Paths of one workspace. root: the project folder (holding data/)."""

    root: Path

    @property
    def data(self) -> Path:
        return Path(self.root) / "data"

    def artifact(self, stage: str, scene: str | None = None) -> Path:
        """Where an artifact lies. stage: a name of chorus.stages; scene: of those made scene by scene.

        By stage, then scene: a stage is one folder for DVC and one prefix in a bucket.
        """
        if stage in PER_SCENE:
            return self.data / part_of(stage) / check_scene_id(scene)
        return {
            EMBEDDED: self.data / "teachers" / "embedded",
            ENCODER: self.model("encoder"),
            ADAPTED: self.model("adapted"),
            EVALUATION: self.report("held_out"),
            REGISTRY: self.state / "registry" / "chorus_encoder",
        }[stage]

    def scene(self, scene: str, part: str) -> Path:
        """part: capture, gaussians, teacher_views or targets."""
        return self.artifact(f"scenes/{part}", scene)

    def scenes_with(self, part: str) -> list[str]:
        """Ids of the scenes that have this part, sorted."""
        return sorted(path.parent.name for path in (self.data / part).glob(f"[!.]*/{MANIFEST}"))

    def require(self, scene: str, part: str) -> None:
        """Raise StoreError, with the nearest name there is, unless the scene has this part."""
        names = self.scenes_with(part)
        if check_scene_id(scene) not in names:
            raise StoreError(
                "scene",
                expected=f"a scene with {part}" if names else f"a scene with {part} (there is none yet)",
                got=repr(scene),
                fix=did_you_mean(scene, names) or "Ingest and fit it first, or give the path of a .ply file.",
            )

    @property
    def fitted(self) -> Path:
        """Where the fitted scenes lie, a folder each."""
        return self.data / "gaussians"

    @property
    def incoming(self) -> Path:
        """Where a user (or the CLI) drops or links folders of real captures; the folder's name is the scene id."""
        return self.data / "incoming"

    @property
    def homes(self) -> Path:
        """Unpacked home and furniture packages."""
        return self.data / "homes"

    @property
    def embedded_teacher(self) -> Path:
        return self.artifact(EMBEDDED)

    def model(self, name: str) -> Path:
        """name: encoder or adapted."""
        return self.data / "models" / name

    def report(self, split: str) -> Path:
        """split: held_out (the artifact of the chain) or validation (made by hand, where choices are made)."""
        return self.data / "reports" / split

    def training(self, name: str) -> Path:
        """Where a running training keeps its checkpoint and its progress: outside the artifact, which appears whole or
        not at all. name: splats, points, adapted or embedded."""
        return self.state / "checkpoints" / name

    def lock(self, stage: str, scene: str | None = None) -> Path:
        """The file that stands for an artifact while one process makes it: beside the data, which clones may share."""
        return self.data / ".locks" / f"{stage.replace('/', '-')}{f'-{check_scene_id(scene)}' if scene else ''}"

    @property
    def state(self) -> Path:
        """Dagster and MLflow storage: history, not artifacts."""
        return Path(self.root) / ".state"

    @property
    def history(self) -> Path:
        """The state folder by a path that database URLs take as it is: where the project's own path holds %, ? or #, a
        link to it in the folder for temporary files, of this user's alone."""
        state = self.state.resolve()
        if not any(letter in str(state) for letter in "%?#"):
            return state
        user = os.getuid() if hasattr(os, "getuid") else 0
        links = Path(tempfile.gettempdir()) / f"chorus-{user}"
        links.mkdir(mode=0o700, exist_ok=True)
        if links.is_symlink() or (hasattr(os, "getuid") and links.stat().st_uid != user):
            raise StoreError(
                links, expected="a folder of this user", got="another's", fix="Set TMPDIR to a folder of yours."
            )
        state.mkdir(parents=True, exist_ok=True)
        link = links / hashlib.sha256(str(state).encode()).hexdigest()[:16]
        if not link.exists():
            link.unlink(missing_ok=True)
            try:
                link.symlink_to(state, target_is_directory=True)
            except FileExistsError:  # another process was first
                pass
        return link


def manifest_of(path: Path, *, where: str | None = None) -> dict:
    """The manifest of an artifact. Raises StoreError when the artifact is absent or its manifest unreadable."""
    try:
        return json.loads((Path(path) / MANIFEST).read_text())
    except FileNotFoundError as error:
        raise StoreError(
            where or path, expected="an artifact", got="nothing there", fix="Materialize the stage that makes it first."
        ) from error
    except json.JSONDecodeError as error:
        raise StoreError(
            Path(path) / MANIFEST, expected="JSON", got=error, fix="Delete the folder and make it again."
        ) from error


def current(path: Path, *, stage: str, recipe: int, params: object, inputs: Mapping[str, str]) -> Artifact | None:
    """The artifact at a path, where there is one that answers to this request and has all its files.

    stage: its name; recipe: raised by hand when the code's meaning changes; params: a dataclass or plain JSON;
    inputs: name -> content hash of what it is made from.
    """
    if not (Path(path) / MANIFEST).exists():
        return None
    manifest = manifest_of(path)
    same = all(manifest.get(key) == value for key, value in _request(stage, recipe, params, inputs).items())
    whole = same and all((Path(path) / name).exists() for name in manifest["files"])
    return Artifact(Path(path), manifest["hash"], fresh=False) if whole else None


def build(
    path: Path,
    *,
    stage: str,
    recipe: int,
    params: object,
    inputs: Mapping[str, str],
    make: Callable[[Path], None],
    force: bool = False,
    lock: Path | None = None,
) -> Artifact:
    """Make an artifact folder by ``make(temporary_folder)`` unless the one there already answers to the same request
    (see :func:`current`).

    It appears whole or not at all (``whole.py``): a killed run leaves the old artifact or none. lock: a file that
    stands for it; who comes second waits for the first and finds it made. Raises StoreError where the disk is full.
    """
    asked = {"stage": stage, "recipe": recipe, "params": params, "inputs": inputs}
    if not force and (there := current(path, **asked)):
        return there
    with alone(lock) if lock else nullcontext():
        if not force and (there := current(path, **asked)):
            return there
        with atomic_folder(path) as temporary:
            make(temporary)
            files = hash_files(temporary)
            manifest = {**_request(**asked), "files": files, "hash": _digest(files)}
            write_json(temporary / MANIFEST, manifest)
    return Artifact(Path(path), manifest["hash"], fresh=True)


def _request(stage: str, recipe: int, params: object, inputs: Mapping[str, str]) -> dict:
    """As the manifest has it."""
    return {"stage": stage, "recipe": recipe, "params": plain(params), "inputs": dict(sorted(inputs.items()))}


def hash_files(folder: Path) -> dict[str, str]:
    """Relative name -> sha256 of every file below a folder, links followed, the manifest left out."""
    folder = Path(folder)
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {p.relative_to(folder).as_posix(): hash_file(p) for p in files}


def hash_file(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def hash_folder(folder: Path) -> str:
    """One content hash of a folder that has no manifest (a user's capture, the shipped teacher)."""
    return _digest(hash_files(folder))


def hash_path(path: Path) -> str:
    """One content hash of a folder or of a single file."""
    return hash_folder(path) if Path(path).is_dir() else hash_file(path)


def _digest(files: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def plain(value: object):
    """Dataclasses, paths and tuples as plain JSON values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    return json.loads(json.dumps(value, sort_keys=True, default=str))
