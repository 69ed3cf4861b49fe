"""Pretraining: several teachers' lifted features distilled into one encoder, a room a sample. Labels are read only
where scenes bring them.

A run is a function of its inputs, seed and number of ranks alone: everything random in sample k comes from (seed, k).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from chorus.distill.batches import TrainingScene, draw_rows
from chorus.distill.losses import KEPT_BYTES, KEPT_ON_CARD, contrastive_loss, kept_bytes, match_in_blocks, match_loss
from chorus.distill.scenes import HeldScenes, TrainingScenes
from chorus.encoder.augment import Augmentation, augment, blind, kept
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel, save_model
from chorus.encoder.curves import Pyramid
from chorus.encoder.inputs import InputConfig, voxelize
from chorus.encoder.memory import require_card, train_bytes
from chorus.encoder.model import EncoderConfig
from chorus.json_files import write_json
from chorus.params import DistillParams
from chorus.store import plain
from chorus.train.ahead import Ahead
from chorus.train.checkpoint import without_layout
from chorus.train.curves import CURVES, write_curves
from chorus.train.loop import Course, Task, Watch, train
from chorus.train.ranks import device_of_rank
from chorus.train.schedule import generator_of
from chorus.train.step import adam

LATE = "object"  # joins in the second half: from the start it hurts
CONTRAST = 0.02  # weight of the contrastive loss, for scenes that bring labels


@dataclass(frozen=True)
class TrainResult:
    """The trained model and what the run measured."""

    model: SceneModel
    metrics: dict
    curves: list[dict]


def train_encoder(
    scenes: TrainingScenes | Sequence[TrainingScene],
    *,
    encoder_config: EncoderConfig,
    inputs: InputConfig,
    params: DistillParams,
    out: Path,
    seed: int = 0,
    spaces: Mapping[str, tuple[Tensor, Tensor]] | None = None,
    teachers: Mapping[str, str] | None = None,
    text: str = "embedded",
    device: torch.device | str = "cpu",
    state: Path | None = None,
    resume: bool = True,
    watch: Watch | None = None,
    late: str | None = LATE,
    augmentation: Augmentation = Augmentation(),  # noqa: B008 - frozen
) -> TrainResult:
    """Train an encoder and its heads; write model.safetensors, config.json, metrics.json and curves.csv into ``out``.

    scenes: at least one, all with the same roles. spaces: role -> (matrix [C, C], mean [C]) with x = x~ @ matrix +
    mean, stored with the model; teachers: role -> name; text: what embeds words. state: folder of the running
    checkpoint and live figures (``out`` when None), as :func:`chorus.train.loop.train` keeps them. late: the role that
    joins in the second half; augmentation: of every sample. Under torchrun every rank calls this and rank 0 writes.
    Raises InputError for scenes that do not fit together, and what train raises.
    """
    scenes = scenes if isinstance(scenes, TrainingScenes) else HeldScenes(scenes)
    heads = {
        role: HeadConfig(channels=channels, width=params.head_width, teacher=(teachers or {}).get(role, ""))
        for role, channels in scenes.channels.items()
    }
    notes = {"scenes": scenes.names, "labels_read": scenes.labels_read, "params": plain(params), "seed": seed}
    config = ModelConfig(encoder=encoder_config, inputs=inputs, heads=heads, text=text, notes=notes)
    device = device_of_rank(torch.device(device))
    choices = {"spaces": spaces or {}, "late": late, "augmentation": augmentation}
    task = Distillation(scenes, config, params=params, seed=seed, device=device, **choices)
    try:
        curves, ranks = train(task, Course.of(params), state=Path(state or out), resume=resume, watch=watch)
    finally:
        task.close()
    result = TrainResult(task.module.eval(), task.metrics(curves), curves)
    if ranks.writes:
        write_result(result, out)
    return result


def write_result(result: TrainResult, out: Path) -> None:
    """model.safetensors, config.json, metrics.json and curves.csv."""
    out = Path(out)
    save_model(result.model, out)
    write_json(out / "metrics.json", plain(result.metrics))
    write_curves(out / CURVES, result.curves)


class Sample(NamedTuple):
    """An augmented room as a step reads it, and the Gaussians the loss looks at."""

    scene: TrainingScene
    pyramid: Pyramid
    feat: Tensor  # [M, C] of its voxels
    rows: Tensor  # [R] Gaussians, ascending
    cells: Tensor  # [D] the voxels they lie in: Gaussians of one voxel share one prediction
    place: Tensor  # [R] of each Gaussian in cells
    generator: torch.Generator  # for what the losses draw


class Distillation(Task):
    """Scenes, and the model that learns from them."""

    name, fix = "distillation", "Lower distill.lr."
    module: SceneModel

    def __init__(
        self,
        scenes: TrainingScenes,
        config: ModelConfig,
        *,
        params: DistillParams,
        seed: int,
        spaces: Mapping[str, tuple[Tensor, Tensor]],
        device: torch.device,
        late: str | None = LATE,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 - frozen
    ):
        self.scenes, self.config, self.params, self.seed, self.device = scenes, config, params, seed, device
        self.late, self.augmentation = late, augmentation
        torch.manual_seed(seed)
        self.module = SceneModel(config).train()
        self.module.encoder.set_checkpointing(params.checkpointing)
        for role, (matrix, mean) in spaces.items():
            self.module.space(role).set(matrix, mean)
        _require_memory(self.module, scenes, params, seed=seed, device=device)
        self.module.to(device)
        self.optimizer = adam(self.module.parameters(), lr=params.lr, weight_decay=params.weight_decay)
        self.balance = scenes.balance(seed=seed)
        together, last = params.ranks, params.steps * params.accumulate * params.ranks
        self.samples = Ahead(self.sample, stride=together, end=last)

    def close(self) -> None:
        """End the threads that open scenes ahead of their step."""
        self.samples.close()

    def identity(self) -> Any:
        config = replace(self.config, notes={})
        params = without_layout(plain(self.params))
        return [config.to_json(), params, self.seed, self.scenes.identity(), self.late, plain(self.augmentation)]

    def sample_name(self, sample: int) -> str:
        return self.scenes.names[self._which(sample)]

    def state(self) -> dict:
        """What the model is, so that a checkpoint can be looked at while the run goes on (chorus.view.training)."""
        return {"config": replace(self.config, notes={}).to_json()}

    def active(self, step: int) -> list[str]:
        """Roles that teach at this step."""
        joined = step >= self.params.steps // 2 or set(self.config.heads) == {self.late}
        return [role for role in self.config.heads if role != self.late or joined]

    def sample(self, number: int) -> Sample:
        """The room of this sample, or a crop of it, augmented, on the host."""
        drawn = generator_of(self.seed, 7, number)
        self.scenes.expect(number, self.seed)
        scene = self.scenes.open(self._which(number), crop=self.params.crop, generator=drawn)
        if self.augmentation.dropout:
            scene = scene.select(kept(len(scene.scene), self.augmentation.dropout, generator_of(self.seed, 9, number)))
        clusters = self.balance.clusters(scene)
        generator = generator_of(self.seed, 4, number)
        voxels = voxelize(augment(scene.scene, self.augmentation, generator), self.config.inputs)
        pyramid = self.module.encoder.prepare(voxels.grid, torch.tensor([len(voxels)]))
        rows = draw_rows(clusters, self.params.points, generator)
        cells, place = torch.unique(voxels.index[rows], return_inverse=True)
        hides = generator_of(self.seed, 8, number)
        feat = blind(voxels.feat, self.config.inputs.columns, self.params.blind, hides)
        return Sample(scene, pyramid, feat, rows, cells, place, generator)

    def losses(self, step: int, sample: int) -> dict[str, Tensor]:
        """role -> L_match, with 0.02 L_con where the scene brings labels, on a drawn sample of an augmented room."""
        torch.manual_seed(generator_of(self.seed, 3, sample).initial_seed())  # dropped paths
        drawn = self.samples[sample]
        scene = drawn.scene
        upcast = self.module.encoder.run(drawn.pyramid, self._moved(drawn.feat), rows=self._moved(drawn.cells)).upcast
        found, most = {}, KEPT_BYTES if self.device.type == "cpu" else KEPT_ON_CARD
        for role in self.active(step):
            valid = scene.valid[role][drawn.rows]
            seen = drawn.rows[valid]
            if not len(seen):
                continue
            head, place = self.module.head(role), drawn.place[valid]
            kept = kept_bytes(head, cells=len(upcast), rows=len(seen))
            if kept > most and role not in scene.labels:
                wanted = partial(self._targets, scene, role, seen)
                found[role] = match_in_blocks(head, upcast, place=place, target=wanted)
                continue
            predicted = head(upcast).index_select(0, self._moved(place)).float()
            found[role] = match_loss(predicted, scene.target(role, seen, self.device))
            if role in scene.labels:
                labels = scene.labels[role][seen]
                found[role] = found[role] + CONTRAST * contrastive_loss(predicted, labels, drawn.generator)
        return found

    def metrics(self, curves: list[dict]) -> dict:
        """What metrics.json tells of the run."""
        parameters = sum(p.numel() for p in self.module.encoder.parameters())
        return {
            "parameters": parameters,
            "scenes": len(self.scenes),
            "steps": self.params.steps,
            "variant": self.config.inputs.variant,
            "final": curves[-1],
        }

    def _which(self, sample: int) -> int:
        return self.scenes.which(sample, self.seed)

    def _targets(self, scene: TrainingScene, role: str, seen: Tensor, rows: Tensor) -> Tensor:
        return scene.target(role, seen[rows], self.device)

    def _moved(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=True)


def _require_memory(
    model: SceneModel, scenes: TrainingScenes, params: DistillParams, *, seed: int, device: torch.device
) -> None:
    """Raise InputError, before anything is moved, where a card cannot hold a step of the first scene."""
    if device.type != "cuda":
        return
    first = scenes.open(0, crop=params.crop, generator=generator_of(seed, 7, 0)).scene
    rows, config = len(voxelize(first, model.config.inputs)), model.config
    channels = sum(head.channels + head.width for head in config.heads.values())
    needed = train_bytes(model, config.encoder, rows=rows, drawn=params.points, channels=channels)
    fix = "Take a smaller encoder.preset, distill.crop or distill.points, or set device: cpu."
    require_card(needed, device, where="distillation", fix=fix)
