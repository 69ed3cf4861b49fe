"""Weights on disk: fetched once, resumable, checked, with the licence recorded beside them; and found again without a
network."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from chorus.errors import MissingError
from chorus.json_files import read_json, write_json
from chorus.store import atomic_file, hash_file
from chorus.teachers.foundation.catalog import SOURCES, Source, presets_of
from chorus.teachers.foundation.fetch import fetch_file, fetch_repository
from chorus.teachers.foundation.loading import EMBEDDED, hub_id

RECORD = "chorus.json"


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """One model on disk after :func:`pull`."""

    name: str
    folder: Path
    license: str
    bytes: int
    fresh: bool  # False: it was there already and its checksums hold


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One row of ``chorus teachers list``."""

    name: str
    roles: tuple[str, ...]
    here: bool
    intact: bool | None  # None where no checksum was recorded
    megabytes: float  # on disk, or the expected download
    license: str
    gated: bool
    presets: tuple[str, ...]
    folder: Path


def pull(names: list[str], folder: Path, *, say=print) -> list[Pulled]:
    """Fetch models of the catalogue, hub ids (``org/name``) or open_clip names (``MODEL:TAG``) into ``folder``;
    complete ones are left alone.

    A broken download is taken up where it stopped. Raises MissingError: unknown name, terms not accepted, no network,
    or a checksum that differs.
    """
    sources = [source_of(name) for name in names]
    return [_pull(source, Path(folder) / folder_name(source.name), say) for source in sources]


def list_teachers(folder: Path, *, verify: bool = False) -> list[Listed]:
    """What the catalogue knows and what lies in ``folder``, models fetched by other names included. verify: read every
    file and compare its checksum."""
    others = [
        path.name
        for path in sorted(Path(folder).glob("*"))
        if path.is_dir() and path.name not in SOURCES and (path / RECORD).exists()
    ]
    rows = []
    for name in [*SOURCES, *others]:
        place, record = Path(folder) / name, _record(Path(folder) / name)
        here = _looks_complete(place, record)
        known = SOURCES.get(name)
        rows.append(
            Listed(
                name=record.get("name", name),
                roles=known.roles if known else (),
                here=here,
                intact=_intact(place, record, verify) if here and record else None,
                megabytes=_bytes(place) / 1e6 if here else (known.gigabytes * 1e3 if known else 0.0),
                license=record.get("license") or (known.license if known else "unknown"),
                gated=bool(known and known.gated),
                presets=tuple(presets_of(name)),
                folder=place,
            )
        )
    return rows


def resolve(name: str, folder: Path, *, role: str) -> Path:
    """The folder (or file) that holds a model: a path as it is, or the place :func:`pull` puts that name in. Raises
    MissingError with what to do."""
    path = Path(name).expanduser()
    if path.exists():
        return path
    place = Path(folder) / folder_name(name)
    if _looks_complete(place, _record(place)):
        return place
    if name not in SOURCES and not _is_remote_name(name):
        known = ", ".join(source.name for source in SOURCES.values() if role in source.roles)
        raise MissingError(
            f"teachers.foundation.{role}",
            expected=f"a path, a hub id, or one of {known}",
            got=f"'{name}', which is none of them",
        )
    raise MissingError(
        f"teacher '{name}'",
        expected=f"its weights in {place}",
        got="nothing there",
        fix=f"Run: chorus teachers pull {name} ({EMBEDDED}).",
    )


def fingerprint(path: Path) -> str:
    """One content hash of a model on disk: from the record where names, sizes and times still agree with it, else by
    reading the files."""
    files = [path] if Path(path).is_file() else _files(Path(path))
    return _fingerprint(
        Path(path), tuple((file.as_posix(), file.stat().st_size, file.stat().st_mtime_ns) for file in files)
    )


@functools.lru_cache(maxsize=64)
def _fingerprint(path: Path, stats: tuple) -> str:
    """stats: names, sizes and times of the files; a change of any is a new question."""
    if path.is_file():
        return hash_file(path)
    record = _record(path)
    digests = (
        {f: d["sha256"] for f, d in record.get("files", {}).items()}
        if _intact(path, record, verify=False)
        else _hashes(path)
    )
    return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()


def folder_name(name: str) -> str:
    """A hub id or MODEL:TAG as one folder name."""
    return re.sub(r"[/:]", "--", name)


def source_of(name: str) -> Source:
    """The catalogue's entry, or one made up for a hub id or an open_clip name. Raises MissingError for anything
    else."""
    if name in SOURCES:
        return SOURCES[name]
    if not _is_remote_name(name):
        raise MissingError(
            f"teacher '{name}'",
            expected=f"one of {', '.join(SOURCES)}, a hub id or an open_clip MODEL:TAG",
            got="an unknown name",
        )
    repo = (hub_id(name) or name) if ":" in name else name
    return Source(name=name, kind="open_clip", roles=(), repo=repo, dim=0, patch=0, params_m=0, license="", vram_gb=0.0)


def _is_remote_name(name: str) -> bool:
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", name) or re.fullmatch(r"[\w.-]+:[\w.-]+", name))


def _pull(source: Source, place: Path, say) -> Pulled:
    record = _record(place)
    fresh = not (_looks_complete(place, record) and _intact(place, record, verify=True))
    if fresh:
        say(
            f"{source.name}: {source.license or 'license: see'} {source.page}"
            + (f", about {source.gigabytes:.1f} GB" if source.params_m else "")
        )
        place.mkdir(parents=True, exist_ok=True)
        fetched = fetch_repository(source, place) if source.repo else fetch_file(source, place)
        record = _write_record(
            source, place, revision=fetched.revision, license=fetched.license or source.license, expected=fetched.sha256
        )
    say(f"{source.name}: {'fetched' if fresh else 'already here'}, {_bytes(place) / 1e6:,.0f} MB in {place}")
    return Pulled(name=source.name, folder=place, license=record["license"], bytes=_bytes(place), fresh=fresh)


def _write_record(source: Source, place: Path, *, revision: str, license: str, expected: dict[str, str]) -> dict:
    digests = _hashes(place)
    for file, digest in expected.items():
        if digests.get(file, digest) != digest:
            (place / file).unlink()
            fix = f"The damaged file was deleted. Run: chorus teachers pull {source.name}"
            raise MissingError(place / file, expected=f"sha256 {digest[:12]}", got=digests[file][:12], fix=fix)
    stats = {file: (place / file).stat() for file in digests}
    files = {
        file: {"sha256": digest, "bytes": stats[file].st_size, "mtime": stats[file].st_mtime_ns}
        for file, digest in digests.items()
    }
    record = {
        "name": source.name,
        "page": source.page,
        "revision": revision,
        "license": license,
        "gated": source.gated,
        "files": files,
    }
    with atomic_file(place / RECORD) as temporary:
        write_json(temporary, record)
    return record


def _record(place: Path) -> dict:
    path = place / RECORD
    return read_json(path, fix="Delete this file and pull the model again.") if path.exists() else {}


def _files(place: Path) -> list[Path]:
    inside = (p for p in sorted(place.rglob("*")) if p.is_file() and p.name != RECORD)
    return [
        p
        for p in inside
        if not any(part.startswith(".") for part in p.relative_to(place).parts) and p.suffix != ".part"
    ]


def _hashes(place: Path) -> dict[str, str]:
    return {path.relative_to(place).as_posix(): hash_file(path) for path in _files(place)}


def _bytes(place: Path) -> int:
    return sum(path.stat().st_size for path in _files(place)) if place.is_dir() else 0


def _looks_complete(place: Path, record: dict) -> bool:
    if record:
        return all((place / file).exists() for file in record["files"])
    return place.is_dir() and any(path.suffix in (".safetensors", ".pth", ".bin") for path in _files(place))


def _intact(place: Path, record: dict, verify: bool) -> bool:
    """True when the recorded files are there unchanged: by size and time, or by content when ``verify``."""
    for file, noted in record.get("files", {}).items():
        path = place / file
        if not path.exists() or path.stat().st_size != noted["bytes"]:
            return False
        if verify and hash_file(path) != noted["sha256"] or not verify and path.stat().st_mtime_ns != noted["mtime"]:
            return False
    return bool(record)
