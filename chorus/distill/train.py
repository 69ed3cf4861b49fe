"""Pretraining: several teachers' lifted features distilled into one encoder, a room a step; labels are read only where
scenes bring them.

A run is a function of its inputs and seed alone: everything random in step k comes from (seed, k), so a run killed and
resumed writes the bytes an undisturbed one writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from chorus.distill.augment import Augmentation, augment
from chorus.distill.batches import TrainingScene, cluster_targets, draw_rows
from chorus.distill.losses import contrastive_loss, match_loss
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel, save_model
from chorus.encoder.inputs import InputConfig, voxelize
from chorus.encoder.model import EncoderConfig
from chorus.errors import InputError
from chorus.io.pth import read_pth
from chorus.json_files import write_json
from chorus.params import DistillParams
from chorus.store import atomic_file, plain
from chorus.train.curves import CURVES, LossCurve, write_curves
from chorus.train.schedule import generator_of, scene_of_step, schedule, set_rate
from chorus.train.step import adam, learn

LATE = "object"  # joins in the second half: from the start it hurts
CONTRAST = 0.02  # weight of the contrastive loss, for scenes that bring labels
CHECKPOINT = "training.pt"
Progress = Callable[[int, int, dict], None]  # step, steps, losses


@dataclass(frozen=True)
class TrainResult:
    """The trained model and what the run measured."""

    model: SceneModel
    metrics: dict
    curves: list[dict]


def train_encoder(
    scenes: list[TrainingScene],
    *,
    encoder_config: EncoderConfig,
    inputs: InputConfig,
    params: DistillParams,
    out: Path,
    seed: int = 0,
    spaces: Mapping[str, tuple[Tensor, Tensor]] | None = None,
    teachers: Mapping[str, str] | None = None,
    text: str = "embedded",
    state: Path | None = None,
    resume: bool = True,
    progress: Progress | None = None,
) -> TrainResult:
    """Train an encoder and its heads; write model.safetensors, config.json, metrics.json and curves.csv into ``out``.

    scenes: at least one, all with the same roles. spaces: role -> (matrix [C, C], mean [C]) with x = x~ @ matrix +
    mean, stored with the model; teachers: role -> name; text: what embeds words. state: folder of the running
    checkpoint (``out`` when None), removed at the end; a checkpoint of another run is ignored. Raises InputError for
    scenes that do not fit together or a loss that is not finite.
    """
    _check(scenes)
    run = _Run(
        scenes,
        encoder_config=encoder_config,
        inputs=inputs,
        params=params,
        seed=seed,
        text=text,
        teachers=teachers or {},
    )
    for role, (matrix, mean) in (spaces or {}).items():
        run.model.space(role).set(matrix, mean)
    checkpoint = Path(state or out) / CHECKPOINT
    if resume:
        run.restore(checkpoint)
    while run.step < params.steps:
        losses = run.advance()
        if progress is not None:
            progress(run.step, params.steps, losses)
        if run.step % params.checkpoint_every == 0 and run.step < params.steps:
            run.keep(checkpoint)
    result = TrainResult(run.model.eval(), run.metrics(), run.curve.rows)
    write_result(result, out)
    checkpoint.unlink(missing_ok=True)
    return result


def write_result(result, out: Path) -> None:
    """model.safetensors, config.json, metrics.json and curves.csv."""
    out = Path(out)
    save_model(result.model, out)
    write_json(out / "metrics.json", plain(result.metrics))
    write_curves(out / CURVES, result.curves)


class _Run:
    """The state of a training: model, optimizer, step and curves so far."""

    def __init__(
        self,
        scenes: list[TrainingScene],
        *,
        encoder_config,
        inputs,
        params: DistillParams,
        seed: int,
        text: str,
        teachers,
    ):
        self.scenes, self.params, self.seed, self.step, self.curve = (
            scenes,
            params,
            seed,
            0,
            LossCurve(params.log_every, params.steps),
        )
        heads = {
            role: HeadConfig(channels=t.shape[1], width=params.head_width, teacher=teachers.get(role, ""))
            for role, t in sorted(scenes[0].targets.items())
        }
        notes = {
            "scenes": [scene.name for scene in scenes],
            "labels_read": sorted({role for scene in scenes for role in scene.labels}),
            "params": plain(params),
            "seed": seed,
        }
        self.config = ModelConfig(encoder=encoder_config, inputs=inputs, heads=heads, text=text, notes=notes)
        torch.manual_seed(seed)
        self.model = SceneModel(self.config).train()
        self.optimizer = adam(self.model.parameters(), lr=params.lr, weight_decay=params.weight_decay)
        self.clusters = cluster_targets(scenes, seed=seed)
        self.augmentation = Augmentation()

    def active(self) -> list[str]:
        """Roles that teach at this step."""
        joined = self.step >= self.params.steps // 2 or set(self.config.heads) == {LATE}
        return [role for role in self.config.heads if role != LATE or joined]

    def advance(self) -> dict[str, float]:
        """One step; returns its losses."""
        step, params = self.step, self.params
        torch.manual_seed(generator_of(self.seed, 3, step).initial_seed())  # dropped paths
        generator = generator_of(self.seed, 4, step)
        which = scene_of_step(step, len(self.scenes), self.seed)
        set_rate(self.optimizer, params.lr * schedule(step, params.steps, params.warmup))
        losses = self.losses(self.scenes[which], self.clusters[which], generator)
        where = f"distillation, step {step}, {self.scenes[which].name}"
        shown = learn(self.optimizer, losses, clip=params.clip, where=where, fix="Lower distill.lr.")
        self.step += 1
        self.curve.add(self.step, self.optimizer.param_groups[0]["lr"], shown)
        return shown

    def losses(self, scene: TrainingScene, clusters: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """role -> L_match, with 0.02 L_con where the scene brings labels, on a drawn sample of an augmented room."""
        voxels = voxelize(augment(scene.scene, self.augmentation, generator), self.config.inputs)
        pyramid = self.model.encoder.prepare(voxels.grid, torch.tensor([len(voxels)]))
        rows = draw_rows(clusters, self.params.points, generator)
        cells, place = torch.unique(
            voxels.index[rows], return_inverse=True
        )  # Gaussians of one voxel share one prediction
        upcast = self.model.encoder.run(pyramid, voxels.feat, rows=cells).upcast
        found = {}
        for role in self.active():
            valid = scene.valid[role][rows]
            seen = rows[valid]
            if len(seen):
                predicted = self.model.heads[role](upcast).index_select(0, place[valid])
                found[role] = match_loss(predicted, scene.targets[role][seen].float())
                if role in scene.labels:
                    found[role] = found[role] + CONTRAST * contrastive_loss(
                        predicted, scene.labels[role][seen], generator
                    )
        return found

    def metrics(self) -> dict:
        parameters = sum(p.numel() for p in self.model.encoder.parameters())
        return {
            "parameters": parameters,
            "scenes": len(self.scenes),
            "steps": self.step,
            "variant": self.config.inputs.variant,
            "final": self.curve.rows[-1],
        }

    def fingerprint(self) -> str:
        """What this run is made from; a checkpoint of anything else does not fit."""
        digest = hashlib.sha256(
            json.dumps([self.config.to_json(), asdict(self.params), self.seed], sort_keys=True).encode()
        )
        for scene in self.scenes:
            for tensor in (scene.scene.means, *(scene.targets[role] for role in sorted(scene.targets))):
                digest.update(f"{tuple(tensor.shape)} {float(tensor.double().sum())!r}".encode())
        return digest.hexdigest()

    def keep(self, path: Path) -> None:
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step}
        with atomic_file(path) as temporary:
            torch.save(
                {**state, "curves": json.dumps([self.curve.rows, self.curve.sums]), "fingerprint": self.fingerprint()},
                temporary,
            )

    def restore(self, path: Path) -> None:
        """Go on from the checkpoint of this very run; one of another run is ignored. Raises InputError for a damaged
        one."""
        if not path.exists():
            return
        kept = read_pth(path, expected="a training checkpoint", fix="Delete it to start again.")
        if kept.get("fingerprint") != self.fingerprint():
            return
        self.model.load_state_dict(kept["model"])
        self.optimizer.load_state_dict(kept["optimizer"])
        self.step = kept["step"]
        self.curve.rows, self.curve.sums = json.loads(kept["curves"])


def _check(scenes: list[TrainingScene]) -> None:
    if not scenes:
        raise InputError(
            "distillation",
            expected="at least one training scene",
            got="none",
            fix="Make targets of the training scenes first.",
        )
    for scene in scenes:
        scene.check()
        if {r: t.shape[1] for r, t in scene.targets.items()} != {r: t.shape[1] for r, t in scenes[0].targets.items()}:
            raise InputError(
                f"training scene {scene.name}",
                expected=f"the roles and widths of {scenes[0].name}",
                got={r: t.shape[1] for r, t in scene.targets.items()},
            )
