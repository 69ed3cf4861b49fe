"""A recipe: which artifact, what it is made from, and the call that makes it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chorus.recipes.seconds import record_seconds
from chorus.store import Artifact, Store, build, current, manifest_of
from chorus.yaml_files import parse_yaml

NUMBERS: dict[str, int] = parse_yaml((Path(__file__).parent / "numbers.yaml").read_text())  # stage -> number


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """stage, scene: which artifact of the store; make: writes it into an empty folder; params, inputs: what it answers
    to, as chorus.store.build takes them."""

    store: Store
    stage: str
    make: Callable[[Path], None]
    scene: str | None = None
    params: object = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"  # where it computes, as params.yaml names it: kept beside the artifact's seconds, no part of it

    @property
    def path(self) -> Path:
        return self.store.artifact(self.stage, self.scene)

    def run(self, *, force: bool = False) -> Artifact:
        """The artifact: made now, or the one there when its manifest still matches."""
        start = time.perf_counter()
        lock = self.store.lock(self.stage, self.scene)
        artifact = build(self.path, **self._request, make=self.make, force=force, lock=lock)
        if artifact.fresh:
            seconds = time.perf_counter() - start
            record_seconds(self.store, self.stage, self.scene, seconds, device=self._where())
        return artifact

    def _where(self) -> str:
        if self.device == "cpu" and "CHORUS_DEVICE" not in os.environ:
            return "cpu"
        from chorus.device import device_name, device_of

        return device_name(device_of(self.device))

    @property
    def is_current(self) -> bool:
        """Whether the artifact there already answers to this recipe."""
        return current(self.path, **self._request) is not None

    @property
    def _request(self) -> dict[str, Any]:
        number = NUMBERS[self.stage]
        return {"stage": self.stage, "recipe": number, "params": self.params, "inputs": self.inputs}


def hash_of(store: Store, stage: str, scene: str | None = None) -> str:
    """Content hash of an artifact another stage made. Raises StoreError naming it when it is absent."""
    where = f"{stage} of {scene}" if scene else stage
    return manifest_of(store.artifact(stage, scene), where=where)["hash"]
