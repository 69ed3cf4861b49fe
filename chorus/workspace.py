"""One project folder: its store, its parameters and the scenes there are; the command line and Dagster both open it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from chorus.errors import InputError
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

    def incoming(self) -> list[str]:
        """Ids of the folders (or links to folders) a user put under data/incoming. Raises StoreError for a name that
        is no scene id."""
        folder = self.store.incoming
        if not folder.is_dir():
            return []
        return sorted(check_scene_id(p.name) for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))

    def scenes(self) -> list[str]:
        """Every scene id, the listed ones first. Raises InputError when a dropped folder has the id of a listed
        scene."""
        listed, dropped = list(self.listed()), self.incoming()
        twice = sorted(set(listed) & set(dropped))
        if twice:
            raise InputError(
                self.store.incoming / twice[0],
                expected="a scene id that data/scenes.yaml does not use",
                got=twice[0],
                fix="Rename the folder.",
            )
        return listed + dropped

    def chosen(self, names: Sequence[str]) -> list[str]:
        """The scenes named, or all of them when none is. Raises InputError for one that is neither listed nor
        dropped."""
        everything = self.scenes()
        return [one_of(check_scene_id(name), everything, "scene") for name in names] or everything

    def rooms(self, *, split: str, domain: str) -> list[str]:
        """Listed scenes of one split (train, validation, held_out) and domain (main, second)."""
        return [name for name, room in self.listed().items() if room.split == split and room.domain == domain]
