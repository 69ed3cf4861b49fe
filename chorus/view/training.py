"""A training that runs, as a viewer follows it: its figures as they come, and the model of its newest checkpoint."""

from __future__ import annotations

from pathlib import Path

from chorus.encoder.checkpoint import ModelConfig, SceneModel
from chorus.encoder.encode import SceneEncoder
from chorus.errors import MissingError
from chorus.io.pth import read_pth
from chorus.train.checkpoint import CHECKPOINT
from chorus.train.live import FILE, Follower


class RunningTraining:
    """folder: where it keeps its checkpoint and its figures (Store.training); name: splats or points.

    Raises MissingError where none runs there.
    """

    def __init__(self, folder: Path, name: str):
        self.name, self.checkpoint = name, Path(folder) / CHECKPOINT
        if not (self.checkpoint.exists() or (Path(folder) / FILE).exists()):
            fix = "Start it: chorus distill."
            raise MissingError(f"training of {name}", expected="one that runs", got="none", fix=fix)
        self._figures = Follower(folder)
        self._seen: tuple[int, int] | None = None
        self.rows: list[dict] = []

    def more(self) -> bool:
        """Read what came since the last call; whether there was anything."""
        head = self._figures.head
        new = self._figures.new()
        if self._figures.head is not head:  # it began anew, or was resumed: its file holds all rows it kept
            self.rows = []
        self.rows += new
        return bool(new)

    @property
    def over(self) -> bool:
        """Whether it ended: its figures are in curves.csv then, its model in its folder."""
        return not self._figures.path.exists()

    def said(self) -> str:
        """How far it is, in a line."""
        if not self.rows:
            return f"{self.name}: no figures yet"
        last, steps = self.rows[-1], (self._figures.head or {}).get("steps", "?")
        return f"{self.name}: step {last['step']:,} of {steps:,}, loss {last['loss']:.3f}{', over' * self.over}"

    def newest(self, text=None, *, device: str = "cpu") -> tuple[SceneEncoder, int] | None:
        """The encoder of the checkpoint and its step, where there is one that was not given yet. text: what embeds
        words. Raises InputError for one that is damaged."""
        try:
            state = self.checkpoint.stat()
        except OSError:
            return None
        if (state.st_mtime_ns, state.st_size) == self._seen:
            return None
        kept = read_pth(self.checkpoint, expected="a training checkpoint", fix="Delete it to start again.")
        self._seen = state.st_mtime_ns, state.st_size
        if "config" not in kept["task"]:  # of a training that makes no scene encoder
            return None
        model = SceneModel(ModelConfig.from_json(kept["task"]["config"]))
        model.load_state_dict(kept["module"])
        return SceneEncoder(model.eval().to(device), text=text), kept["step"]
