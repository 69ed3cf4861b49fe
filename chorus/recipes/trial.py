"""A workspace of its own for another training: this one's homes, teachers' weights and settled parameters, and a chosen
list of rooms to train on. Nothing of the workspace it comes from is touched."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import yaml

from chorus.errors import InputError
from chorus.scene_list import SweetHomeRoom
from chorus.store import Store, atomic_file, plain
from chorus.workspace import Workspace

ANOTHER = 1000  # what a room's seed grows by when it is furnished anew
_HEAD = "# Made by chorus trial; the next one writes it anew.\n"


def lay_out(
    workspace: Workspace,
    folder: Path,
    *,
    designed: int | None = None,
    generated: int = 0,
    seed: int = 0,
    held_out: bool = False,
) -> Workspace:
    """Write params.yaml and data/scenes.yaml of a workspace in ``folder`` and open it; files that say the same stay.

    It trains on the first ``designed`` rooms of the main domain (all when None; beyond the last one they come again
    with other furniture and colors) and on ``generated`` rooms drawn from ``seed``, and is judged by the validation
    rooms; the second domain is left out, and so are the held-out rooms unless ``held_out`` asks for them, to score a
    release. Raises InputError where that is no room to train on, or the folder is the workspace itself.
    """
    folder, root = Path(folder).resolve(), workspace.store.root
    if folder == root:
        raise InputError(folder, expected="a folder of its own", got="this workspace")
    listed = [room for room in workspace.listed().values() if isinstance(room, SweetHomeRoom) and room.domain == "main"]
    train = [room for room in listed if room.split == "train"]
    chosen = train if designed is None else furnished_anew(train, designed)
    if min(designed or 0, generated) < 0 or not (chosen or generated):
        raise InputError("trial", expected="rooms to train on", got=f"{designed} designed and {generated} generated")
    judges = ("validation", "held_out") if held_out else ("validation",)
    rooms = chosen + [room for room in listed if room.split in judges]
    (folder / "data").mkdir(parents=True, exist_ok=True)
    _write(folder / "params.yaml", plain(workspace.params))
    generation = {"generated": {"count": generated, "seed": seed}} if generated else {}
    _write(folder / "data" / "scenes.yaml", {**generation, "scenes": [_entry(room) for room in rooms]})
    for place in (workspace.store.homes, root / workspace.params.teachers.dir):
        if place.is_relative_to(root):
            _link(folder / place.relative_to(root), place)
    return Workspace(Store(folder), workspace.params)


def furnished_anew(rooms: Sequence[SweetHomeRoom], count: int) -> list[SweetHomeRoom]:
    """The first ``count`` of these rooms; beyond the last they come again, with another seed: other furniture, colors,
    views, by turns in other light."""
    found = []
    for number in range(count if rooms else 0):
        turn, room = number // len(rooms), rooms[number % len(rooms)]
        if turn:
            light = ("day", "bright")[turn % 2]
            room = replace(room, id=f"{room.id}-{turn + 1}", seed=room.seed + ANOTHER * turn, light=light)
        found.append(room)
    return found


def _entry(room: SweetHomeRoom) -> dict:
    return {**asdict(room), "furniture": list(room.furniture)}


def _write(path: Path, content: object) -> None:
    text = _HEAD + yaml.safe_dump(content, sort_keys=False, width=200)
    if not path.exists() or path.read_text() != text:
        with atomic_file(path) as temporary:
            temporary.write_text(text)


def _link(link: Path, place: Path) -> None:
    """Make a place of the trial the workspace's own, unless something lies there."""
    if link.exists() or link.is_symlink():
        return
    place.mkdir(parents=True, exist_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(place, link.parent), target_is_directory=True)
