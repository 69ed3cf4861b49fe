"""data/scenes.yaml: which rooms to capture, furnished and lit how."""

from __future__ import annotations

import dataclasses
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from chorus.errors import InputError
from chorus.names import one_of
from chorus.yaml_files import parse_yaml

LIGHTS = ("day", "bright", "dusk", "evening")
DOMAINS = ("main", "second")
MOST_GENERATED = 9999
SPLITS = ("train", "validation", "held_out")  # by home; see data/README.md


@dataclass(frozen=True, kw_only=True)
class SweetHomeRoom:
    """One scene: a room of a home, furnished from some libraries, under one light."""

    id: str  # [a-z0-9][a-z0-9_-]*
    home: str  # name of the home's file
    room: int  # position in the file
    name: str = ""  # what the designer calls it
    furniture: tuple[str, ...] = ()  # libraries that may stand in for default models; none: as drawn, in plain colours
    light: str = "day"  # one of LIGHTS
    domain: str = "main"  # one of DOMAINS
    split: str = "train"  # one of SPLITS
    seed: int = 0


ROOM_KINDS = ("bedroom", "living", "kitchen", "bathroom", "dining", "office", "hall")


@dataclass(frozen=True, kw_only=True)
class GeneratedRoom:
    """One scene: a room of a home drawn from (seed, number). Always trained on, never a test."""

    id: str  # gen-0001
    number: int  # from 1
    seed: int
    kind: str  # one of ROOM_KINDS
    domain: Literal["main"] = "main"
    split: Literal["train"] = "train"


ListedRoom = SweetHomeRoom | GeneratedRoom


def read_scenes(path: Path) -> list[ListedRoom]:
    """Every scene of a scenes.yaml, generated rooms last. Raises InputError naming the scene and the key."""
    path = Path(path)
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(path, expected="a readable YAML file of scenes", got=error) from error
    return list(_read(path, state.st_mtime_ns, state.st_size))


@functools.lru_cache(maxsize=4)
def _read(path: Path, *_: int) -> tuple[ListedRoom, ...]:
    """Once for each state of the file: a chain asks for its scenes hundreds of times."""
    try:
        content = parse_yaml(path.read_text())
    except (OSError, RecursionError, ValueError, yaml.YAMLError) as error:
        raise InputError(path, expected="a readable YAML file of scenes", got=error) from error
    if not isinstance(content, dict) or not isinstance(content.get("scenes"), list):
        raise InputError(path, expected="a list under 'scenes'", got=type(content).__name__)
    groups = content.get("furniture", {})
    if not isinstance(groups, dict) or not all(map(_libraries, groups.values())):
        raise InputError(f"{path}: furniture", expected="groups: a name and a list of libraries each", got=groups)
    scenes = [*(_scene(entry, groups, path) for entry in content["scenes"]), *_generated(content, path)]
    twice = sorted({s.id for s in scenes if sum(t.id == s.id for t in scenes) > 1})
    if twice:
        raise InputError(path, expected="every scene id once", got=", ".join(twice))
    return tuple(scenes)


def _generated(content: dict, path: Path) -> list[GeneratedRoom]:
    """The rooms of the block `generated: {count, seed, kinds}`; none without it. The kinds take turns, so that a room
    does not depend on how many there are."""
    if "generated" not in content:
        return []
    block, where = content["generated"], f"{path}: generated"
    if not isinstance(block, dict) or set(block) - {"count", "seed", "kinds"} or "count" not in block:
        raise InputError(where, expected="count, and if you like seed and kinds", got=block)
    count, seed, kinds = block["count"], block.get("seed", 0), block.get("kinds", list(ROOM_KINDS))
    for key, value, most in (("count", count, MOST_GENERATED), ("seed", seed, 2**63 - 1)):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise InputError(where, expected=f"{key}: a whole number from 0 to {most}", got=repr(value))
    if not isinstance(kinds, list) or not kinds or len({str(kind) for kind in kinds}) < len(kinds):
        raise InputError(where, expected="kinds: a list of different kinds of rooms, at least one", got=kinds)
    for kind in kinds:
        one_of(kind, ROOM_KINDS, where)
    return [
        GeneratedRoom(id=f"gen-{n:04d}", number=n, seed=seed, kind=kinds[(n - 1) % len(kinds)])
        for n in range(1, count + 1)
    ]


def _scene(entry, groups: dict, path: Path) -> SweetHomeRoom:
    known = {f.name for f in dataclasses.fields(SweetHomeRoom)}
    if not isinstance(entry, dict) or not {"id", "home", "room"} <= set(entry):
        raise InputError(path, expected="scenes with id, home and room", got=entry)
    where = f"{path}: scene {entry['id']}"
    unknown = sorted(str(key) for key in set(entry) - known)
    if unknown:
        raise InputError(where, expected=f"only {', '.join(sorted(known))}", got=", ".join(unknown))
    for key, value in entry.items():
        expected = _misread(key, value)
        if expected:
            raise InputError(where, expected=f"{key}: {expected}", got=repr(value))
    furniture = entry.get("furniture", [])
    if isinstance(furniture, str):
        if furniture not in groups:
            expected = f"one of the furniture groups {', '.join(map(str, groups))}"
            raise InputError(where, expected=expected, got=furniture)
        furniture = groups[furniture]
    scene = SweetHomeRoom(**{**entry, "furniture": tuple(furniture)})
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", scene.id):
        raise InputError(where, expected="an id of a-z, 0-9, _ and -", got=scene.id)
    return scene


_CHOICES = {"light": LIGHTS, "domain": DOMAINS, "split": SPLITS}


def _misread(key: str, value: object) -> str:
    """What a key's value should have been; empty where it is."""
    if key in ("room", "seed"):
        right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
        return "" if right else "a whole number from 0"
    if key == "furniture":
        return "" if isinstance(value, str) or _libraries(value) else "a group's name or a list of libraries"
    if key in _CHOICES and value not in _CHOICES[key]:
        return f"one of {', '.join(_CHOICES[key])}"
    return "" if isinstance(value, str) else "a text"


def _libraries(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)
