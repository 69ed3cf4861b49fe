"""A plan: where an artifact goes, what it is made from, and the call that makes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from chorus.store import Artifact, Store, build, manifest_of


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The arguments of chorus.store.build. recipe: raised by hand when the code's meaning changes."""

    path: Path
    stage: str
    make: Callable[[Path], None]
    params: object = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    recipe: int = 1

    def run(self, *, force: bool = False) -> Artifact:
        """The artifact: made now, or the one there when its manifest still matches."""
        return build(
            self.path,
            stage=self.stage,
            recipe=self.recipe,
            params=self.params,
            inputs=self.inputs,
            make=self.make,
            force=force,
        )

    @property
    def is_current(self) -> bool:
        """Whether the artifact there already answers to this plan."""
        try:
            return not build(
                self.path, stage=self.stage, recipe=self.recipe, params=self.params, inputs=self.inputs, make=_stop
            ).fresh
        except _Stale:
            return False


class _Stale(Exception):
    pass


def _stop(_: Path) -> None:
    raise _Stale


def hash_of(path: Path, where: str) -> str:
    """Content hash of an artifact another stage made. Raises StoreError naming ``where`` when it is absent."""
    return manifest_of(path, where=where)["hash"]


def part_hash(store: Store, scene: str, part: str) -> str:
    """Content hash of one part of a scene."""
    return hash_of(store.scene(scene, part), f"scenes/{part} of {scene}")
