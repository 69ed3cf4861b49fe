"""Scenes in, named features out: what ``chorus.load`` gives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import torch
from torch import Tensor

from chorus.device import autocast
from chorus.encoder.checkpoint import SceneModel
from chorus.encoder.inputs import CHANNELS, Voxels, voxelize
from chorus.encoder.memory import rows_that_fit
from chorus.encoder.sinks import Apart, Bar, FileRows, InMemory, Members, Sink, file_rows
from chorus.encoder.tiling import encode_tiles
from chorus.errors import InputError
from chorus.heap import give_back, kept_heap
from chorus.io import open_features
from chorus.scene import GaussianScene
from chorus.text import prompt

TextEncoder = Callable[[list[str]], Tensor]  # prompts -> [T, C] unit vectors
MAX_ROWS = 1_000_000  # voxels encoded at once: 2 GiB beside the outputs for the base size
LEAST_ROWS = 50_000  # below so many a tile is more halo than scene
HALO = 2.0  # metres around a tile
_ROWS = {"tokens": "cells", "tokens_xyz": "cells"}  # what the rows of an output are, if not Gaussians
BLOCK, CARD_BLOCK = 8192, 2**17  # voxels whose heads run at once: few stay in a cache, many fill a card


@dataclass(frozen=True)
class SceneFeatures:
    """What was asked for, by name; each also an attribute. Rows are the Gaussians of the scene, in their order.

    lang, dino, object: [N, C] in the teacher's own space; upcast: [N, sum of channels]; tokens: [T, C] of the last
    level with tokens_xyz [T, 3], the centres of their cells, metres. They lie where the scene lies.
    """

    outputs: dict[str, Tensor]
    text: TextEncoder | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        """One line: how many rows, the width of each output, and whether words can be asked."""
        widths: dict[str, list[str]] = {}
        for name, x in self.outputs.items():
            widths.setdefault(f"{len(x):,} {_ROWS.get(name, 'Gaussians')}", []).append(f"{name} {x.shape[1]}")
        parts = [f"{rows} x {', '.join(names)}" for rows, names in widths.items()]
        if self.outputs:
            first = next(iter(self.outputs.values()))
            parts.append(f"{str(first.dtype).removeprefix('torch.')} on {first.device}")
        if "lang" in self.outputs and self.text is not None:
            parts.append("can be asked in words")
        return f"SceneFeatures({'; '.join(parts)})"

    def __getitem__(self, name: str) -> Tensor:
        return self.outputs[name]

    def __getattr__(self, name: str) -> Tensor:
        if name.startswith("_") or name not in self.outputs:
            raise AttributeError(f"no output '{name}'; asked for: {', '.join(self.outputs)}")
        return self.outputs[name]

    def query(self, texts: Sequence[str]) -> Tensor:
        """[N, T] cosine between every Gaussian's language feature and each text (asked as :func:`chorus.text.prompt`
        words it)."""
        if "lang" not in self.outputs or self.text is None:
            raise InputError(
                "query",
                expected='features encoded with outputs=("lang",) by a model with words',
                got=", ".join(self.outputs) or "none",
            )
        prompts = [prompt(text) for text in texts]
        words = torch.nn.functional.normalize(self.text(prompts).to(self.lang), dim=1)
        return torch.nn.functional.normalize(self.lang, dim=1) @ words.T


class SceneEncoder:
    """A model ready for scenes, where the model is: float32 on the CPU, bfloat16 products (autocast) on CUDA unless
    ``half`` is False.

    text: what embeds words, for ``query``; max_rows: voxels above which a scene is cut into tiles (fewer where a card
    has less memory); halo: metres around a tile.
    """

    def __init__(
        self,
        model: SceneModel,
        *,
        text: TextEncoder | None = None,
        max_rows: int = MAX_ROWS,
        halo: float = HALO,
        half: bool = True,
    ):
        self.model = model.eval()
        self.config = model.config
        self.text = text
        self.max_rows, self.halo, self.half = max_rows, halo, half

    def __repr__(self) -> str:
        """One line: what it reads, its size, where it is, and the outputs with their widths."""
        inputs = self.config.inputs
        size = sum(parameter.numel() for parameter in self.model.parameters())
        outputs = ", ".join(f"{name} {self.channels(name)}" for name in self.available)
        words = "can be asked in words" if "lang" in self.model.heads and self.text is not None else "has no words"
        read = f"{inputs.variant} in {inputs.grid_size:g} m voxels"
        return f"SceneEncoder({read}; {size / 1e6:.2f} M parameters on {self.device}; gives {outputs}; {words})"

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    @property
    def available(self) -> tuple[str, ...]:
        """Names that may be asked for."""
        return (*self.model.heads, "upcast", "tokens")

    @overload
    def encode(
        self,
        scene: GaussianScene,
        outputs: Sequence[str] = ...,
        *,
        normals: Tensor | None = ...,
        progress: bool | None = ...,
    ) -> SceneFeatures: ...

    @overload
    def encode(
        self,
        scene: Iterable[GaussianScene],
        outputs: Sequence[str] = ...,
        *,
        normals: Tensor | None = ...,
        progress: bool | None = ...,
    ) -> list[SceneFeatures]: ...

    def encode(
        self,
        scene: GaussianScene | Iterable[GaussianScene],
        outputs: Sequence[str] = ("lang",),
        *,
        normals: Tensor | None = None,
        progress: bool | None = None,
    ) -> SceneFeatures | list[SceneFeatures]:
        """SceneFeatures of a scene, or a list of them for several.

        outputs: names among :attr:`available`; normals: [N, 3] for models that read them, estimated from the Gaussians
        when None, and not to be given for several scenes; progress: show a bar over a long scene (when None, only on a
        terminal). Raises InputError for an unknown name or a scene that cannot be encoded.
        """
        outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
        self._check(outputs)
        if not isinstance(scene, GaussianScene):
            if normals is not None:
                raise InputError(
                    "encode", expected="normals for one scene", got="several scenes", fix="Encode them one by one."
                )
            return [self.encode(one, outputs, progress=progress) for one in scene]
        home = scene.means.device
        sinks = {name: InMemory.of(len(scene), self.channels(name), home) for name in outputs if name != "tokens"}
        voxels = self._voxels(scene, normals)
        tokens = self._run(scene, voxels, Members(voxels.index, len(voxels)), sinks, progress=progress)
        found = {name: sink.features for name, sink in sinks.items()}
        if "tokens" in outputs:
            found["tokens"], found["tokens_xyz"] = tokens
        return SceneFeatures(found, self.text)

    def encode_to_files(
        self,
        scene: GaussianScene,
        files: Mapping[str, Path],
        *,
        info: dict | None = None,
        normals: Tensor | None = None,
        progress: bool | None = None,
    ) -> None:
        """Encode a scene into one safetensors file per output (see :func:`chorus.io.read_features`), block by block.

        files: output name -> path, "tokens" excepted; info: plain JSON kept in each file beside the output's name.
        Rows are those of the scene's file: a row that was left out when it was read is zero there and not valid.
        Features [N, C] never stand in memory together, so a million Gaussians x 1152 need no more room than the encoder
        does. Raises InputError as ``encode``.
        """
        self._check(tuple(files))
        if "tokens" in files:
            raise InputError(
                "encode",
                expected="outputs with a row per Gaussian",
                got="tokens",
                fix='Ask encode for outputs=("tokens",).',
            )
        rows, total = file_rows(scene)
        valid = torch.zeros(total, dtype=torch.bool)
        valid[rows] = True
        with ExitStack() as stack:
            sinks = {}
            for name, path in files.items():
                channels, about = self.channels(name), {**(info or {}), "output": name}
                writer = stack.enter_context(
                    open_features(path, rows=total, channels=channels, valid=valid, info=about)
                )
                sinks[name] = FileRows(writer, rows)
                for left_out in torch.nonzero(~valid)[:, 0].split(BLOCK):
                    writer.write(left_out, torch.zeros(len(left_out), channels))
            voxels = self._voxels(scene, normals)
            self._run(scene, voxels, Members(voxels.index, len(voxels)), sinks, progress=progress)

    def encode_shared(
        self, scene: GaussianScene, output: str = "lang", *, progress: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """Features [M, C] of the scene's voxels, and the row [N] of each Gaussian among them: what ``encode`` gives is
        the former indexed by the latter, in a fraction of the memory where many Gaussians share a voxel. Raises
        InputError as ``encode``, and for tokens."""
        self._check((output,))
        if output == "tokens":
            raise InputError("encode", expected="an output with a row per Gaussian", got="tokens")
        voxels = self._voxels(scene, None)
        sink = InMemory.of(len(voxels), self.channels(output), scene.means.device)
        self._run(scene, voxels, Apart(), {output: sink}, progress=progress)
        return sink.features, voxels.index.to(scene.means.device)

    def channels(self, name: str) -> int:
        """Channels of an output."""
        if name in self.model.heads:
            return self.config.heads[name].channels
        return self.config.encoder.width if name == "upcast" else self.config.encoder.channels[-1]

    def _check(self, outputs: tuple[str, ...]) -> None:
        unknown = [name for name in outputs if name not in self.available]
        if unknown or not outputs:
            raise InputError(
                "encode", expected=f"outputs among {', '.join(self.available)}", got=", ".join(unknown) or "none"
            )

    @torch.no_grad()
    def _voxels(self, scene: GaussianScene, normals: Tensor | None) -> Voxels:
        """Of the scene, where the model is. Raises InputError for a card too small before any of it is there."""
        self._tile_rows()
        normals = None if normals is None else normals.to(self.device)
        return voxelize(scene.detached().to(self.device), self.config.inputs, normals=normals)

    @torch.no_grad()
    def _run(
        self,
        scene: GaussianScene,
        voxels: Voxels,
        members: Members | Apart,
        sinks: Mapping[str, Sink],
        *,
        progress: bool | None,
    ) -> tuple[Tensor, Tensor]:
        """Write each output of all members of every voxel to its sink; tokens [T, C] and their places [T, 3] m."""
        home, grid_size = scene.means.device, self.config.inputs.grid_size
        max_rows = self._tile_rows()
        tokens, cells, block = [], [], BLOCK if self.device.type == "cpu" else CARD_BLOCK
        with (
            kept_heap(),
            autocast(self.device, half=self.half),
            Bar(2 * len(voxels), show=sys.stderr.isatty() if progress is None else progress) as bar,
        ):
            for part in encode_tiles(
                self.model.encoder, voxels, max_rows=max_rows, halo=int(self.halo / grid_size), advance=bar.advance
            ):
                tokens.append(part.tokens.float())
                cells.append(part.tokens_grid)
                give_back()  # what the network worked in, before its features spread over the Gaussians
                for begin in range(0, len(part.rows), block):
                    rows = part.rows[begin : begin + block]
                    self._write(part.upcast(begin, begin + block), *members.of(rows), sinks)
                    bar.advance(len(rows))
        cell = grid_size * 2 ** (len(self.config.encoder.depths) - 1)
        places = scene.means.detach().amin(dim=0).to(self.device) + (torch.cat(cells) + 0.5) * cell
        return torch.cat(tokens).to(home), places.to(home)

    def _tile_rows(self) -> int:
        """Voxels of a tile, at most."""
        fitting = rows_that_fit(self.config.encoder, self.device, least=min(LEAST_ROWS, self.max_rows))
        return self.max_rows if fitting is None else min(fitting, self.max_rows)

    def _write(self, features: Tensor, gaussians: Tensor, voxel: Tensor, sinks: Mapping[str, Sink]) -> None:
        """Outputs of a block of voxels [R, width] to their Gaussians [G], which lie in voxels [G] of the block."""
        for name, sink in sinks.items():
            values = self.model.in_teacher_space(name, features) if name in self.model.heads else features
            sink.write(gaussians, values.index_select(0, voxel))


def model_folder(path: str | Path, *, variant: str = "splats") -> Path:
    """A model's folder: the path itself, or its subfolder of an input variant."""
    path = Path(path)
    if variant not in CHANNELS:
        raise InputError("model", expected=" | ".join(CHANNELS), got=repr(variant))
    return path / variant if (path / variant / "config.json").exists() else path
