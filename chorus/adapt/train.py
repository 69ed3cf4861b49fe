"""Render-and-distill: adapt an encoder to a new domain from views alone, without lifting targets (Chorus, arXiv
2512.17817, eq. 7-8).

The student's predictions are rendered with the weights the picture was rendered with and compared with the teacher's
map of that picture. Gaussians do not move, so the weights summed to patches (G) are made once; a step is one sparse
product and its transpose.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from chorus.adapt.lora import add_low_rank, fold_low_rank, save_low_rank
from chorus.adapt.views import overlapping
from chorus.distill.losses import match_loss
from chorus.distill.scenes import summary
from chorus.distill.train import TrainResult, write_result
from chorus.encoder.adapter import content_of
from chorus.encoder.augment import Augmentation, augment
from chorus.encoder.checkpoint import SceneModel
from chorus.encoder.compact import fold, unfold
from chorus.encoder.heads import Head
from chorus.encoder.inputs import Voxels, voxelize
from chorus.errors import InputError
from chorus.params import AdaptParams
from chorus.scene import GaussianScene
from chorus.store import plain
from chorus.train.checkpoint import without_layout
from chorus.train.loop import Course, Task, Watch, train
from chorus.train.ranks import device_of_rank
from chorus.train.schedule import generator_of, scene_of_step
from chorus.train.step import adam
from chorus_kernels import PatchWeights, spmm

WARMUP = 0.1  # share of the steps
CLIP = 1.0  # norm of the gradient
ADAPTER = "adapter"  # folder of the low-rank parts beside the adapted model


@dataclass(frozen=True, kw_only=True)
class AdaptScene:
    """A scene of the new domain with V teacher views: G and the teachers' maps by role, the maps in the standardised
    space.

    A role that answers by mask has masks in place of patches, a different number in each view.
    """

    name: str
    scene: GaussianScene
    weights: dict[str, PatchWeights]  # role -> G [N, columns]; roles of one patch grid may share one
    teacher_maps: dict[str, Tensor]  # role -> [columns, C], half or float
    starts: dict[
        str, Tensor
    ]  # role -> [V + 1] the first column of each view and their number: h * w patches a view, or its masks
    pixels: dict[str, Tensor] = field(
        default_factory=dict
    )  # role -> [columns] of each mask; absent of patches, which are alike
    _groups: dict = field(default_factory=dict, repr=False)

    def check(self) -> None:
        """Raise InputError where a role's G, maps and starts are of different sizes."""
        for role, maps in self.teacher_maps.items():
            if self.weights[role].shape != (len(self.scene), len(maps)) or self.starts[role][-1] != len(maps):
                views = len(self.starts[role]) - 1
                expected, got = (
                    f"G [{len(self.scene)}, {len(maps)}] of {views} views for {role}",
                    (self.weights[role].shape, int(self.starts[role][-1])),
                )
                raise InputError(f"adaptation scene {self.name}", expected=expected, got=got)

    def groups(self, size: int) -> list[Tensor]:
        """For each view, the views to be seen with it."""
        if size not in self._groups:
            role = next(iter(self.weights))
            self._groups[size] = overlapping(self.weights[role], self.starts[role], most=size)
        return self._groups[size]


class Patches(NamedTuple):
    """Some patches of a scene, as rows of G^T: CSR over patches with columns of Gaussians, and which teacher rows they
    are."""

    indptr: Tensor  # [P + 1] int64
    indices: Tensor  # [nnz] int64 Gaussians
    values: Tensor  # [nnz] float32, of each patch sum to 1
    rows: Tensor  # [P] rows of the teacher's map


def covered_patches(
    weights: PatchWeights, views: Tensor, *, starts: Tensor, min_coverage: float, pixels: Tensor | None = None
) -> Patches:
    """The patches (or masks) of these views [K] with at least ``min_coverage`` of the fullest one's coverage,
    normalised by coverage.

    starts: [V + 1] the first column of each view; pixels: [columns] by which coverage is compared where columns differ
    in size.
    """
    rows = torch.cat([torch.arange(int(starts[view]), int(starts[view + 1])) for view in views])
    full = weights.coverage if pixels is None else weights.coverage / pixels
    rows = rows[(full[rows] >= min_coverage * full.max()) & (full[rows] > 0)]
    matrix = weights.transposed
    counts = matrix.indptr.diff()[rows]
    indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    taken = torch.arange(int(indptr[-1])) + torch.repeat_interleave(matrix.indptr[rows] - indptr[:-1], counts)
    values = matrix.values[taken] / torch.repeat_interleave(weights.coverage[rows], counts)
    return Patches(indptr, matrix.indices[taken].long(), values, rows)


def render_head(head: Head, encode: Callable[[Tensor], Tensor], patches: Patches, voxels: Voxels) -> Tensor:
    """The head's predictions rendered to patches: [P, C].

    encode: voxel rows [R] -> up-cast [R, sum of channels]. What is rendered is found out on the host, where patches
    and voxels are, and computed where the head is. The last Linear commutes with rendering (each patch's
    weights sum to 1), so the hidden width is rendered where that is the smaller one.
    """
    needed = torch.zeros(len(voxels), dtype=torch.bool)
    cells = voxels.index[patches.indices]
    needed[cells] = True
    rows = torch.nonzero(needed)[:, 0]
    local = (needed.cumsum(0) - 1)[cells].int()
    last = cast(nn.Linear, head[3])
    rows, indptr, local, values = (
        x.to(last.weight.device, non_blocking=True) for x in (rows, patches.indptr, local, patches.values)
    )
    hidden = head.hidden(encode(rows))
    if head.width <= head.channels:
        return last(spmm(indptr, local, values, hidden.float())).float()
    return spmm(indptr, local, values, last(hidden).float())


def adapt_encoder(
    model: SceneModel,
    scenes: list[AdaptScene],
    *,
    params: AdaptParams,
    out: Path,
    spaces: Mapping[str, tuple[Tensor, Tensor]] | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
    state: Path | None = None,
    resume: bool = True,
    watch: Watch | None = None,
) -> TrainResult:
    """Adapt a copy of the model to the scenes and write it into ``out`` as distillation does, with tune: lora also the
    adapter alone, over the model given, into ``out``/adapter (chorus.encoder.adapter). Reads no labels.

    spaces: as chorus.adapt.load.spaces_of gives them, for a model whose heads have theirs folded in; what is written
    has them folded in as well. state: folder of the running checkpoint and live figures (``out`` when None), as
    :func:`chorus.train.loop.train` keeps them. Under torchrun every rank calls this and rank 0 writes. Raises
    InputError for scenes without a role the model has a head for, or with shapes that disagree, and what train raises.
    """
    device = device_of_rank(torch.device(device))
    task = Adaptation(model, scenes, params=params, spaces=spaces, seed=seed, device=device)
    course = Course.of(params, warmup=WARMUP, clip=CLIP)
    curves, ranks = train(task, course, state=Path(state or out), resume=resume, watch=watch)
    task.fold()
    if ranks.writes and params.tune == "lora":
        save_low_rank(task.module, Path(out) / ADAPTER, base=task.base)
    result = task.finish(curves)
    if ranks.writes:
        write_result(result, out)
    return result


class Adaptation(Task):
    """Scenes of the new domain, and a copy of the model that learns from them."""

    name, fix = "adaptation", "Lower adapt.lr."
    module: SceneModel

    def __init__(
        self,
        model: SceneModel,
        scenes: list[AdaptScene],
        *,
        params: AdaptParams,
        seed: int,
        device: torch.device,
        spaces: Mapping[str, tuple[Tensor, Tensor]] | None = None,
    ):
        self.roles = [role for role in model.heads if scenes and all(role in scene.teacher_maps for scene in scenes)]
        if not self.roles:
            raise InputError(
                "adaptation",
                expected=f"scenes with maps of {', '.join(model.heads)}",
                got=f"{len(scenes)} scenes with none in common",
            )
        for scene in scenes:
            scene.check()
        self.scenes, self.params, self.seed, self.device = scenes, params, seed, device
        self.module = copy.deepcopy(model).train()
        self.folded = [role for role in model.heads if role not in model.spaces and role in (spaces or {})]
        for role in self.folded:
            unfold(self.module, role, *(spaces or {})[role])
        self.module.encoder.set_checkpointing(params.checkpointing)
        self.base = content_of(model)
        choose_parameters(self.module, params.tune, rank=params.rank, seed=seed)
        self.module.to(device)
        self.optimizer = adam(self.module.parameters(), lr=params.lr, weight_decay=0.0)
        self._augmentation = Augmentation()

    def identity(self) -> Any:
        params = without_layout(plain(self.params))
        scenes = [
            [scene.name, summary(scene.scene.means), *(summary(scene.teacher_maps[role]) for role in self.roles)]
            for scene in self.scenes
        ]
        return [self.module.config.to_json(), params, self.seed, self.base, scenes]

    def sample_name(self, sample: int) -> str:
        return self._scene(sample).name

    def losses(self, step: int, sample: int) -> dict[str, Tensor]:
        """role -> L_match between rendered predictions and teacher maps of some overlapping views of one scene. The
        student sees an augmented scene; the weights stay those of the real one."""
        torch.manual_seed(generator_of(self.seed, 5, sample).initial_seed())
        generator = generator_of(self.seed, 6, sample)
        scene = self._scene(sample)
        groups = scene.groups(self.params.views)
        views = groups[int(torch.randint(len(groups), (), generator=generator))]
        voxels = voxelize(augment(scene.scene, self._augmentation, generator), self.module.config.inputs)
        encoded = _Encoded(self.module, voxels)
        found = {}
        for role in self.roles:
            places = {"starts": scene.starts[role], "pixels": scene.pixels.get(role)}
            patches = covered_patches(scene.weights[role], views, min_coverage=self.params.min_coverage, **places)
            if len(patches.rows):
                predicted = render_head(self.module.head(role), encoded.rows, patches, encoded.voxels)
                target = scene.teacher_maps[role][patches.rows].to(self.device, non_blocking=True)
                found[role] = match_loss(predicted, target.float())
        if not found:
            raise InputError(
                f"adaptation scene {scene.name}",
                expected="patches that Gaussians cover",
                got="none",
                fix="Lower adapt.min_coverage or drop the scene.",
            )
        return found

    def fold(self) -> None:
        """Bring the heads back to the form they came in."""
        for role in self.folded:
            fold(self.module, role)

    def finish(self, curves: list[dict]) -> TrainResult:
        """The adapted model, low-rank parts folded in, ready for use; its config names the scenes."""
        fold_low_rank(self.module)
        self.module.requires_grad_(True)
        config = self.module.config
        notes = {**config.notes, "adapted_on": [scene.name for scene in self.scenes]}
        self.module.config = replace(config, notes=notes)
        metrics = {
            "scenes": len(self.scenes),
            "steps": self.params.steps,
            "tune": self.params.tune,
            "first": curves[0],
            "final": curves[-1],
        }
        return TrainResult(self.module.eval(), metrics, curves)

    def _scene(self, sample: int) -> AdaptScene:
        return self.scenes[scene_of_step(sample, len(self.scenes), self.seed)]


class _Encoded:
    """Levels of a scene encoded once a step, where the model is; rows gathered as asked."""

    def __init__(self, model: SceneModel, voxels: Voxels):
        self._encoder, self.voxels = model.encoder, voxels
        self._pyramid = model.encoder.prepare(voxels.grid, torch.tensor([len(voxels)]))

    @cached_property
    def _levels(self) -> list[Tensor]:
        feat = self.voxels.feat.to(next(self._encoder.parameters()).device, non_blocking=True)
        return self._encoder.level_features(self._pyramid, feat)

    def rows(self, rows: Tensor) -> Tensor:
        """[R] voxels -> [R, sum of channels]."""
        return torch.cat(
            [x.index_select(0, index) for x, index in zip(self._levels, self._pyramid.ancestors(rows), strict=True)],
            dim=1,
        )


def choose_parameters(model: SceneModel, tune: str, *, rank: int, seed: int) -> None:
    """Freeze all but what learns: heads; last (heads and the two coarsest stages); all; lora (heads and low-rank
    qkv)."""
    stages = list(model.encoder.enc)
    learning = {
        "heads": (),
        "last": tuple(f"encoder.enc.{name}." for name in stages[-2:]),
        "all": ("encoder.",),
        "lora": (),
    }
    if tune not in learning:
        raise InputError("adapt.tune", expected=" | ".join(learning), got=repr(tune))
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(("heads.", *learning[tune])))
    if tune == "lora":
        add_low_rank(model, rank=rank, alpha=2.0 * rank, seed=seed)
