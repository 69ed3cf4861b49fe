"""What is left to do, answered from manifests and a few queries to Dagster's history."""

import functools

from chorus.errors import ChorusError
from chorus.stages import PER_SCENE
from chorus.workspace import Workspace
from orchestration.recipes import catalog
from orchestration.run import history


class Queue:
    """A view of one moment: make a new one after each phase."""

    def __init__(self, *, retrain: bool = False):
        self.workspace, self.retrain = Workspace.open(), retrain
        self._settled = functools.cache(history.settled)
        self._materialized = functools.cache(history.materialized)

    def remaining(self, assets: tuple[str, ...], scene: str | None) -> tuple[str, ...]:
        """The assets from the first one on that is stale, unrecorded or last failed a check."""
        for i, asset in enumerate(assets):
            if scene not in self._settled(asset) or not self._is_current(asset, scene):
                return assets[i:]
        return ()

    def blocked_by(self, asset: str, scene: str) -> str:
        """The earlier asset of this scene whose check last failed; empty when none did."""
        earlier = PER_SCENE[: PER_SCENE.index(asset)] if asset in PER_SCENE else ()
        return next((name for name in earlier if scene in self._materialized(name) - self._settled(name)), "")

    def _is_current(self, asset: str, scene: str | None) -> bool:
        try:
            return catalog.recipe(asset, self.workspace, scene=scene, retrain=self.retrain).is_current
        except ChorusError:
            return False  # the run itself will say what is wrong
