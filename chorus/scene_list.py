"""data/scenes.yaml: which rooms to capture, furnished and lit how."""

from __future__ import annotations

import dataclasses
import functools
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from chorus.errors import InputError

LIGHTS = ("day", "bright", "dusk", "evening")
DOMAINS = ("main", "second")
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


def read_scenes(path: Path) -> list[SweetHomeRoom]:
    """Every scene of a scenes.yaml. Raises InputError naming the scene and the key."""
    path = Path(path)
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(path, expected="a readable YAML file of scenes", got=error) from error
    return list(_read(path, state.st_mtime_ns, state.st_size))


@functools.lru_cache(maxsize=4)
def _read(path: Path, *_: int) -> tuple[SweetHomeRoom, ...]:
    """Once for each state of the file: a chain asks for its scenes hundreds of times."""
    try:
        content = yaml.load(path.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, yaml.YAMLError) as error:
        raise InputError(path, expected="a readable YAML file of scenes", got=error) from error
    if not isinstance(content, dict) or not isinstance(content.get("scenes"), list):
        raise InputError(path, expected="a list under 'scenes'", got=type(content).__name__)
    groups = content.get("furniture", {})
    scenes = [_scene(entry, groups, path) for entry in content["scenes"]]
    twice = sorted({s.id for s in scenes if sum(t.id == s.id for t in scenes) > 1})
    if twice:
        raise InputError(path, expected="every scene id once", got=", ".join(twice))
    return tuple(scenes)


def _scene(entry, groups: dict, path: Path) -> SweetHomeRoom:
    known = {f.name for f in dataclasses.fields(SweetHomeRoom)}
    if not isinstance(entry, dict) or not {"id", "home", "room"} <= set(entry):
        raise InputError(path, expected="scenes with id, home and room", got=entry)
    where = f"{path}: scene {entry['id']}"
    unknown = sorted(set(entry) - known)
    if unknown:
        raise InputError(where, expected=f"only {', '.join(sorted(known))}", got=", ".join(unknown))
    furniture = entry.get("furniture", ())
    furniture = groups.get(furniture, furniture) if isinstance(furniture, str) else furniture
    if isinstance(furniture, str):
        raise InputError(where, expected=f"one of the furniture groups {', '.join(groups)}", got=furniture)
    scene = SweetHomeRoom(**{**entry, "furniture": tuple(furniture)})
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", scene.id):
        raise InputError(where, expected="an id of a-z, 0-9, _ and -", got=scene.id)
    for key, choices in (("light", LIGHTS), ("domain", DOMAINS), ("split", SPLITS)):
        if getattr(scene, key) not in choices:
            raise InputError(where, expected=f"{key} one of {', '.join(choices)}", got=repr(getattr(scene, key)))
    return scene
