"""Scenes in, named features out: what ``chorus.load`` gives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from chorus.encoder.checkpoint import SceneModel
from chorus.encoder.inputs import CHANNELS, Voxels, voxelise
from chorus.encoder.tiling import encode_voxels
from chorus.errors import InputError
from chorus.scene import GaussianScene

TextEncoder = Callable[[list[str]], Tensor]  # prompts -> [T, C] unit vectors
MAX_ROWS = 300_000  # voxels encoded at once
HALO = 2.0  # metres around a tile


@dataclass(frozen=True)
class SceneFeatures:
    """What was asked for, by name; each also an attribute. Rows are the Gaussians of the scene, in their order.

    lang, dino, object: [N, C] in the teacher's own space; upcast: [N, sum of channels]; tokens: [T, C] of the last level
    with tokens_xyz [T, 3], the centres of their cells, metres.
    """

    outputs: dict[str, Tensor]
    text: TextEncoder | None = field(default=None, repr=False)

    def __getitem__(self, name: str) -> Tensor:
        return self.outputs[name]

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_") or name not in self.outputs:
            raise AttributeError(f"no output '{name}'; asked for: {', '.join(self.outputs)}")
        return self.outputs[name]

    def query(self, texts: Sequence[str]) -> Tensor:
        """[N, T] cosine between every Gaussian's language feature and each text ("a chair" is asked as "this is a chair")."""
        if "lang" not in self.outputs or self.text is None:
            raise InputError("query", expected='features encoded with outputs=("lang",) by a model with words', got=", ".join(self.outputs) or "none")
        prompts = [text if text.lower().startswith("this is ") else f"this is {text}" for text in texts]
        words = torch.nn.functional.normalize(self.text(prompts).to(self.lang), dim=1)
        return torch.nn.functional.normalize(self.lang, dim=1) @ words.T


class SceneEncoder:
    """A model ready for scenes. text: what embeds words, for ``query``."""

    def __init__(self, model: SceneModel, *, text: TextEncoder | None = None, max_rows: int = MAX_ROWS, halo: float = HALO):
        self.model = model.eval()
        self.config = model.config
        self.text = text
        self.max_rows, self.halo = max_rows, halo

    @property
    def available(self) -> tuple[str, ...]:
        """Names that may be asked for."""
        return (*self.model.heads, "upcast", "tokens")

    def encode(
        self, scene: GaussianScene | Iterable[GaussianScene], outputs: Sequence[str] = ("lang",), *, normals: Tensor | None = None, progress: bool | None = None
    ):
        """SceneFeatures of a scene, or a list of them for several.

        outputs: names among :attr:`available`; normals: [N, 3] for the point variant, estimated from the Gaussians when None;
        progress: show a bar over the tiles of a long scene (when None, only on a terminal).
        Raises InputError for an unknown name or a scene that cannot be encoded.
        """
        if not isinstance(scene, GaussianScene):
            return [self.encode(one, outputs, progress=progress) for one in scene]
        outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        unknown = [name for name in outputs if name not in self.available]
        if unknown or not outputs:
            raise InputError("encode", expected=f"outputs among {', '.join(self.available)}", got=", ".join(unknown) or "none")
        voxels = voxelise(scene.detached(), self.config.inputs, normals=normals)
        with torch.no_grad():
            return SceneFeatures(self._outputs(scene, voxels, outputs, progress), self.text)

    def _outputs(self, scene: GaussianScene, voxels: Voxels, outputs: tuple[str, ...], progress: bool | None) -> dict[str, Tensor]:
        grid_size = self.config.inputs.grid_size
        bar = _bar(sys.stderr.isatty() if progress is None else progress)
        encoded = encode_voxels(self.model.encoder, voxels, max_rows=self.max_rows, halo=int(self.halo / grid_size), progress=bar)
        found = {}
        for name in outputs:
            if name == "upcast":
                found[name] = encoded.upcast[voxels.index]
            elif name == "tokens":
                cell = grid_size * 2 ** (len(self.config.encoder.depths) - 1)
                found["tokens"] = encoded.tokens
                found["tokens_xyz"] = scene.means.amin(dim=0) + (encoded.tokens_grid + 0.5) * cell
            else:
                found[name] = self.model.spaces[name](self.model.heads[name](encoded.upcast))[voxels.index]
        return found


def _bar(show: bool):
    if not show:
        return None
    from rich.progress import Progress

    progress = Progress(transient=True)
    task = progress.add_task("encoding", total=None)

    def step(done: int, total: int) -> None:
        if total == 1:
            return
        if not progress.live.is_started:
            progress.start()
        progress.update(task, completed=done, total=total)
        if done == total:
            progress.stop()

    return step


def model_folder(path: str | Path, *, variant: str = "splats") -> Path:
    """A model's folder: the path itself, or its subfolder of an input variant."""
    path = Path(path)
    if variant not in CHANNELS:
        raise InputError("model", expected=" | ".join(CHANNELS), got=repr(variant))
    return path / variant if (path / variant / "config.json").exists() else path
