"""Masked scene modelling: the self-supervised baseline. The encoder sees a room with blocks of it hidden and says what
was there (after Xie et al. 2022, SimMIM; Wu et al. 2023, Masked Scene Contrast). No teacher, no label.

A hidden voxel stays in the grid with zeros in the place of its row: a unit quaternion or normal is never zero, so the
encoder can tell. What it has to say are the numbers of that row, each standardised over the room.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chorus.distill.scenes import summary
from chorus.distill.train import TrainResult, write_result
from chorus.encoder.augment import Augmentation, augment
from chorus.encoder.checkpoint import ModelConfig, SceneModel
from chorus.encoder.inputs import InputConfig, Voxels, voxelize
from chorus.encoder.model import EncoderConfig
from chorus.errors import InputError
from chorus.params import DistillParams
from chorus.scene import GaussianScene
from chorus.store import plain
from chorus.train.checkpoint import without_layout
from chorus.train.loop import Course, Task, Watch, train
from chorus.train.ranks import device_of_rank
from chorus.train.schedule import generator_of, scene_of_step
from chorus.train.step import adam

SHARE = 0.6  # of the blocks, hidden
BLOCK = 0.5  # m
LEAST = 1e-3  # deviation below which a number says nothing of the room


def train_masked(
    names: Sequence[str],
    open_scene: Callable[[str], GaussianScene],
    *,
    encoder_config: EncoderConfig,
    inputs: InputConfig,
    params: DistillParams,
    out: Path,
    seed: int = 0,
    device: torch.device | str = "cpu",
    state: Path | None = None,
    watch: Watch | None = None,
) -> TrainResult:
    """Train an encoder without heads, with the steps, rate and rooms of a distillation; write what one writes.

    open_scene: name -> its Gaussians, called at every step. state, watch: as of chorus.distill.train. Raises
    InputError for no scene, and what chorus.train.loop.train raises.
    """
    if not names:
        raise InputError("masked scene modelling", expected="at least one training scene", got="none")
    notes = {"scenes": list(names), "labels_read": [], "params": plain(params), "seed": seed, "masked": SHARE}
    config = ModelConfig(encoder=encoder_config, inputs=inputs, notes=notes)
    device = device_of_rank(torch.device(device))
    task = Masked(names, open_scene, config, params=params, seed=seed, device=device)
    curves, ranks = train(task, Course.of(params), state=Path(state or out), watch=watch)
    metrics = {"scenes": len(names), "steps": params.steps, "variant": inputs.variant, "final": curves[-1]}
    result = TrainResult(task.model.eval(), metrics, curves)
    if ranks.writes:
        write_result(result, out)
    return result


def hidden(grid: Tensor, *, cells: int, share: float, generator: torch.Generator) -> Tensor:
    """[M] bool: voxels of ``share`` of the blocks of ``cells`` voxels a side; at least one voxel is hidden, and where
    there are two blocks one is seen. grid: [M, 3] int."""
    _, block = torch.unique(torch.div(grid, cells, rounding_mode="floor"), dim=0, return_inverse=True)
    blocks = int(block.max()) + 1
    count = max(1, min(round(share * blocks), blocks - 1))
    chosen = torch.zeros(blocks, dtype=torch.bool)
    chosen[torch.randperm(blocks, generator=generator)[:count]] = True
    return chosen[block]


class Masked(Task):
    """Scenes, and an encoder that fills in what is hidden of them. module: the model and the Linear that answers."""

    name, fix = "masked scene modelling", "Lower distill.lr."

    def __init__(
        self,
        names: Sequence[str],
        open_scene: Callable[[str], GaussianScene],
        config: ModelConfig,
        *,
        params: DistillParams,
        seed: int,
        device: torch.device,
    ):
        self.names, self.open_scene, self.config, self.params, self.seed = names, open_scene, config, params, seed
        torch.manual_seed(seed)
        self.model = SceneModel(config)
        self.model.encoder.set_checkpointing(params.checkpointing)
        self.answer = nn.Linear(config.encoder.width, config.inputs.channels)
        self.module = nn.ModuleList([self.model, self.answer]).to(device).train()
        self.optimizer = adam(self.module.parameters(), lr=params.lr, weight_decay=params.weight_decay)
        self.augmentation, self.device = Augmentation(), device

    def identity(self) -> Any:
        scenes = [[name, summary(self.open_scene(name).means)] for name in self.names]
        return [self.config.to_json(), without_layout(plain(self.params)), self.seed, scenes]

    def sample_name(self, sample: int) -> str:
        return self.names[scene_of_step(sample, len(self.names), self.seed)]

    def losses(self, step: int, sample: int) -> dict[str, Tensor]:
        """SmoothL1 of the standardised numbers of hidden voxels, a drawn sample of them."""
        torch.manual_seed(generator_of(self.seed, 3, sample).initial_seed())  # dropped paths
        generator = generator_of(self.seed, 10, sample)
        scene = self.open_scene(self.sample_name(sample))
        voxels = voxelize(augment(scene, self.augmentation, generator), self.config.inputs)
        cells = max(1, round(BLOCK / self.config.inputs.grid_size))
        away = hidden(voxels.grid, cells=cells, share=SHARE, generator=generator)
        rows = torch.nonzero(away)[:, 0]
        rows = rows[torch.randperm(len(rows), generator=generator)[: self.params.points]]
        pyramid = self.model.encoder.prepare(voxels.grid, torch.tensor([len(voxels)]))
        feat = voxels.feat.masked_fill(away[:, None], 0.0).to(self.device)
        said = self.answer(self.model.encoder.run(pyramid, feat, rows=rows.to(self.device)).upcast)
        return {"masked": F.smooth_l1_loss(said.float(), standardised(voxels)[rows].to(self.device))}


def standardised(voxels: Voxels) -> Tensor:
    """[M, C] the rows of a room with every number centred and divided by its deviation there; one that hardly varies is
    zero."""
    centered = voxels.feat - voxels.feat.mean(dim=0)
    spread = centered.square().mean(dim=0).sqrt()
    return torch.where(spread > LEAST, centered / spread.clamp_min(LEAST), 0.0)
