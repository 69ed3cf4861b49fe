"""What a user brings in: folders and videos under data/incoming, how they are to be read, and their scene ids."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from chorus.axes import UPS, meters_of
from chorus.errors import InputError, StoreError
from chorus.store import Store, check_scene_id, is_scene_id
from chorus.yaml_files import parse_yaml

AXES = ("auto", *UPS, "keep")
VIDEOS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")
PACKED = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst")
SETTINGS = ".yaml"  # beside the folder: NAME.yaml


@dataclass(frozen=True, kw_only=True)
class IngestOptions:
    """What only the user knows of a capture; every one may stay unsaid."""

    up: str = "auto"  # the file's axis that points up; keep: its axes stay as they are; auto: found
    scale: float | None = None  # metres of one length of the file
    depth_scale: float | None = None  # of depth images: counts a metre (1000: millimetres)

    def validate(self, where: object = "ingest") -> IngestOptions:
        """Itself. Raises InputError naming the option that makes no sense."""
        if self.up not in AXES:
            raise InputError(where, expected=f"up one of {', '.join(AXES)}", got=repr(self.up))
        for name in ("scale", "depth_scale"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, (int, float)) or not 0 < value < float("inf")):
                raise InputError(where, expected=f"{name} above 0", got=value)
        return self

    def said(self) -> dict:
        """The options that were given, as plain values."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if getattr(self, field.name) != field.default
        }


NOTHING_SAID = IngestOptions()


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """One scene a user dropped: a folder or a video (or a link to one), with its options."""

    id: str
    path: Path
    options: IngestOptions = NOTHING_SAID


def options_of(
    *, up: str = "auto", scale: float | None = None, unit: str | None = None, depth_scale: float | None = None
) -> IngestOptions:
    """Options as the command line has them; unit: m, cm, mm, in or ft, in place of scale."""
    if unit is not None and scale is not None:
        raise InputError("ingest", expected="either --scale or --unit", got="both")
    scale = meters_of(unit) if unit is not None else scale
    return IngestOptions(up=up, scale=scale, depth_scale=depth_scale).validate()


def scene_id(name: str) -> str:
    """A scene id from any name: "Living Room (2)" -> "living-room-2"; "" where nothing of it can be kept."""
    name = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    ascii_name = "".join(letter for letter in name if not unicodedata.combining(letter)).lower()
    return re.sub(r"[^a-z0-9_]+", "-", ascii_name).strip("-_")


def list_incoming(folder: Path) -> tuple[dict[str, Incoming], list[str]]:
    """Scene id -> what lies under ``folder``, and a line for each thing there that can be no scene.

    A name that is no scene id is turned into one; where another has that id already, it is left out.
    """
    found: dict[str, Incoming] = {}
    left_out = []
    entries = [path for path in sorted(folder.iterdir()) if _is_scene(path)] if folder.is_dir() else []
    for path in sorted(entries, key=lambda path: not is_scene_id(path.name)):  # proper ids first
        name = path.stem if path.is_file() else path.name
        derived = name if is_scene_id(name) else scene_id(name)
        if not derived or derived in found:
            taken = f"'{derived}' is taken" if derived else "nothing in it makes a scene id"
            left_out.append(f"{path}: left out, {taken}. Rename it: lower-case letters, digits, - and _.")
        else:
            found[derived] = Incoming(id=derived, path=path, options=read_options(folder / f"{name}{SETTINGS}"))
    return found, left_out


@contextlib.contextmanager
def brought_in(
    store: Store, source: Path, name: str, options: IngestOptions, *, splats: bool = False
) -> Iterator[None]:
    """data/incoming/NAME as a link to a folder or a video, its options beside it; splats: whether the source is a file
    of them, which gets a folder of its own. Raises where the name is taken. Where what is done with it ends in an
    InputError, a link that is new goes again and options are as before, so that the name is free for another try."""
    source = source.resolve()
    link, settings = _link(store, source, name, splats=splats), store.incoming / f"{name}{SETTINGS}"
    new, before = not link.exists(), settings.read_bytes() if settings.is_file() else None
    if new:
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # a link to something that is gone
        link.symlink_to(source, target_is_directory=source.is_dir())
    write_options(settings, options)
    try:
        yield
    except InputError:
        if new:
            link.unlink(missing_ok=True)
        if new and link.parent != store.incoming:
            with contextlib.suppress(OSError):  # something else was put into the folder meanwhile
                link.parent.rmdir()
        if before is None:
            settings.unlink(missing_ok=True)
        else:
            settings.write_bytes(before)
        raise


def _link(store: Store, source: Path, name: str, *, splats: bool) -> Path:
    """Where the link of a source lies. Raises where the source is none or the name taken."""
    link = store.incoming / check_scene_id(name)
    if not source.exists():
        expected = "a folder of photos or RGB-D frames, a video, or a file of splats"
        raise InputError(source, expected=expected, got="nothing there")
    if source.is_file() and not splats and source.suffix.lower() not in VIDEOS:
        expected = f"a folder, a video ({', '.join(VIDEOS)}), or a file of splats"
        packed = source.suffix.lower() in PACKED
        raise InputError(source, expected=expected, got="another file", fix="Unpack it first." if packed else "")
    if splats and source.is_file():
        if link.exists() and not (link / source.name).exists():
            raise StoreError(link, expected="a free name", got="a folder", fix="Choose another --as or remove it.")
        link = link / source.name
    elif source.is_file():
        link = link.with_suffix(source.suffix.lower())
    same_id = [store.incoming / name, *(store.incoming / f"{name}{suffix}" for suffix in VIDEOS)]
    for other in [link, *(path for path in same_id if path not in (link, link.parent))]:
        if other.exists() and (other != link or link.resolve() != source):
            raise StoreError(
                other,
                expected="a free name",
                got=f"a link to {other.resolve()}" if other.is_symlink() else "a capture",
                fix="Choose another --as or remove it.",
            )
    if store.scene(name, "capture").exists() and not link.exists():
        raise StoreError(
            f"scene '{name}'", expected="a free name", got="a scene of the workspace", fix="Choose another --as."
        )
    return link


def read_options(path: Path) -> IngestOptions:
    """The options in a NAME.yaml; none where there is no such file. Raises InputError naming the key."""
    if not path.is_file():
        return IngestOptions()
    try:
        content = parse_yaml(path.read_text(encoding="utf-8-sig")) or {}
    except (OSError, RecursionError, ValueError, yaml.YAMLError) as error:
        raise InputError(path, expected="readable YAML", got=error) from error
    known = {field.name for field in dataclasses.fields(IngestOptions)}
    if not isinstance(content, dict) or not set(content) <= known:
        raise InputError(path, expected=f"only {', '.join(sorted(known))}", got=content)
    return IngestOptions(**content).validate(path)


def write_options(path: Path, options: IngestOptions) -> None:
    """NAME.yaml with what was given; no file where nothing was."""
    if options.said():
        path.write_text(yaml.safe_dump(options.said(), sort_keys=True))
    else:
        path.unlink(missing_ok=True)


def _is_scene(path: Path) -> bool:
    return not path.name.startswith(".") and (path.is_dir() or (path.is_file() and path.suffix.lower() in VIDEOS))
