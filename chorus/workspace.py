"""One project folder: its store, its parameters and the scenes there are; the command line and Dagster both open it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chorus.incoming import Incoming, list_incoming
from chorus.names import one_of
from chorus.params import Params, load_params
from chorus.scene_list import ListedRoom, read_scenes
from chorus.store import Store, check_scene_id, root_folder


@dataclass(frozen=True)
class Workspace:
    """store: where its artifacts lie; params: what its stages are told."""

    store: Store
    params: Params

    @classmethod
    def open(cls, root: Path | None = None) -> Workspace:
        """The workspace of a project folder: CHORUS_ROOT or the working directory when None. Raises ParamsError."""
        root = Path(root).resolve() if root else root_folder()
        return cls(Store(root), load_params(root / "params.yaml"))

    def listed(self) -> dict[str, ListedRoom]:
        """Scene id -> its entry in data/scenes.yaml; empty where there is no such file."""
        path = self.store.data / "scenes.yaml"
        return {room.id: room for room in read_scenes(path)} if path.exists() else {}

    def incoming(self) -> dict[str, Incoming]:
        """Scene id -> the folder or video (or a link to one) that a user put under data/incoming, with its options.

        A name that is no scene id is turned into one; :meth:`left_out` tells what could be none.
        """
        return list_incoming(self.store.incoming)[0]

    def left_out(self) -> list[str]:
        """A line for each thing under data/incoming that can be no scene: its name, or a listed scene has its id."""
        found, lines = list_incoming(self.store.incoming)
        twice = [found[name].path for name in sorted(set(self.listed()) & set(found))]
        return lines + [f"{path}: left out, data/scenes.yaml has a scene of that id. Rename it." for path in twice]

    def scenes(self) -> list[str]:
        """Every scene id, the listed ones first. A dropped folder with the id of a listed scene is left out."""
        listed = list(self.listed())
        return listed + [name for name in self.incoming() if name not in listed]

    def chosen(self, names: Sequence[str]) -> list[str]:
        """The scenes named, or all of them when none is. Raises InputError for one that is neither listed nor
        dropped."""
        everything = self.scenes()
        return [one_of(check_scene_id(name), everything, "scene") for name in names] or everything

    def rooms(self, *, split: str, domain: str) -> list[str]:
        """Listed scenes of one split (train, validation, held_out) and domain (main, second)."""
        return [name for name, room in self.listed().items() if room.split == split and room.domain == domain]
