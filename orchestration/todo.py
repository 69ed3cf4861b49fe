"""What is left to do, answered from manifests and a few queries to Dagster's records."""

import functools

from chorus.errors import ChorusError
from chorus.params import load_params
from chorus.store import Store, root_folder
from orchestration import records, stages


class Todo:
    """A view of one moment: make a new one after each phase."""

    def __init__(self, *, retrain: bool = False):
        self.store, self.retrain = Store(root_folder()), retrain
        self.params = load_params(self.store.root / "params.yaml")
        self._settled = functools.cache(records.settled)
        self._materialized = functools.cache(records.materialized)

    def remaining(self, assets: tuple[str, ...], scene: str | None) -> tuple[str, ...]:
        """The assets from the first one on that is stale, unrecorded or last failed a check."""
        for i, asset in enumerate(assets):
            if scene not in self._settled(asset) or not self._is_current(asset, scene):
                return assets[i:]
        return ()

    def blocked_by(self, asset: str, scene: str) -> str:
        """The earlier asset of this scene whose check last failed; empty when none did."""
        earlier = stages.PER_SCENE[: stages.PER_SCENE.index(asset)] if asset in stages.PER_SCENE else ()
        return next((name for name in earlier if scene in self._materialized(name) - self._settled(name)), "")

    def _is_current(self, asset: str, scene: str | None) -> bool:
        try:
            return stages.plan(asset, self.store, self.params, scene=scene, retrain=self.retrain).is_current
        except ChorusError:
            return False  # the run itself will say what is wrong
