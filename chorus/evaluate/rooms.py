"""Which rooms an evaluation is of, and whether they are all there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chorus.errors import StoreError
from chorus.stages import PARTS
from chorus.store import Store, manifest_of

if TYPE_CHECKING:
    from chorus.scene_list import ListedRoom

Split = Literal["validation", "held_out"]  # which homes are the test; those trained on never are


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """Scene ids by what they are for."""

    split: Split = "held_out"  # what `test` and `adaptation` are
    test: Sequence[str]  # of the main domain
    adaptation: Sequence[str] = ()  # of the second domain
    probe_train: Sequence[str] = ()  # trained on, main domain: the probe reads their labels
    adapted_on: Sequence[str] = ()  # trained on, second domain: nothing of them is scored
    validation: Sequence[str] = ()  # beside a held-out test: what models are compared on, main domain
    validation_adaptation: Sequence[str] = ()  # and second domain

    @classmethod
    def listed(cls, scenes: Iterable[ListedRoom], *, split: Split = "held_out") -> Rooms:
        """The rooms of a scene list with one split as the test. A held-out test has the validation rooms beside it."""
        scenes = list(scenes)

        def of(domain: str, part: str) -> list[str]:
            return [scene.id for scene in scenes if (scene.domain, scene.split) == (domain, part)]

        beside = split == "held_out"
        return cls(
            split=split,
            test=of("main", split),
            adaptation=of("second", split),
            probe_train=of("main", "train"),
            adapted_on=of("second", "train"),
            validation=of("main", "validation") if beside else (),
            validation_adaptation=of("second", "validation") if beside else (),
        )

    def scored(self) -> list[str]:
        """Rooms whose labels figures are counted on."""
        return [*self.test, *self.adaptation, *self.validation, *self.validation_adaptation]

    def trained(self) -> list[str]:
        """Rooms trained on."""
        return [*self.probe_train, *self.adapted_on]

    def every(self) -> list[str]:
        """All of them: the fits and the storage a report sums up are theirs, and no other scene's of the store."""
        return [*self.scored(), *self.trained()]


def without_targets(store: Store, scenes: Iterable[str]) -> list[str]:
    """Those of the scenes that have no targets, or targets of another capture, fit or view than lies there now.

    Reads manifests alone. Whether today's parameters would make the same artifacts is for whoever plans them to say.
    """
    return [scene for scene in scenes if not _current(store, scene)]


def require_targets(store: Store, rooms: Rooms) -> None:
    """Raise StoreError, naming the rooms, when a room to be scored has no current targets: a test set is whole or
    none."""
    absent = without_targets(store, rooms.scored())
    if absent:
        raise StoreError(
            f"{rooms.split.replace('_', '-')} rooms",
            expected=f"current targets of all {len(rooms.scored())}",
            got=f"none of {', '.join(absent)}",
            fix="Materialize scenes/targets of these rooms, or take them off the scene list.",
        )


def _current(store: Store, scene: str) -> bool:
    hashes: dict[str, str] = {}
    for part in PARTS:
        try:
            manifest = manifest_of(store.scene(scene, part))
        except StoreError:
            return False
        if any(manifest["inputs"].get(before, found) != found for before, found in hashes.items()):
            return False
        hashes[part] = manifest["hash"]
    return True
