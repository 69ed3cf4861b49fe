"""Learning class names from labelled scenes, on the one trainer: a decoder alone, or the encoder below it too."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from chorus.device import autocast
from chorus.encoder.augment import Augmentation, augment
from chorus.encoder.checkpoint import SceneModel
from chorus.encoder.inputs import Voxels, voxelize
from chorus.probe.decoder import Decoder
from chorus.scene import GaussianScene
from chorus.train.loop import Task
from chorus.train.schedule import generator_of, scene_of_step
from chorus.train.step import adam

DECAY = 0.05


class Segmenter(nn.Module):
    """An encoder and a decoder: classes of a scene's voxels."""

    def __init__(self, model: SceneModel, classes: int):
        super().__init__()
        self.encoder, self.inputs = model.encoder, model.config.inputs
        self.decoder = Decoder(model.config.encoder, classes)

    def forward(self, voxels: Voxels, *, frozen: bool) -> Tensor:
        """[M, T] of the voxels, in their order. frozen: no gradient reaches the encoder."""
        device = next(self.decoder.parameters()).device
        pyramid = self.encoder.prepare(voxels.grid, torch.tensor([len(voxels)]))
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            features = self.encoder.level_features(pyramid, voxels.feat.to(device))
        return self.decoder(pyramid, features).float()[pyramid.place]

    @torch.no_grad()
    def classify(self, scene: GaussianScene) -> np.ndarray:
        """[N] class ids."""
        device = next(self.decoder.parameters()).device
        voxels = voxelize(scene.detached(), self.inputs)
        with autocast(device):
            ids = self.eval()(voxels, frozen=True).argmax(dim=1).cpu()
        return ids[voxels.index].numpy()


class Supervised(Task):
    """Labelled scenes and the segmenter that learns from them, one scene a step. frozen: the decoder learns alone."""

    name, fix = "supervised training", "Lower lr."
    module: Segmenter

    def __init__(
        self,
        model: SceneModel,
        scenes: Sequence[GaussianScene],
        labels: Sequence[np.ndarray],
        *,
        classes: int,
        frozen: bool,
        lr: float,
        seed: int,
    ):
        self.scenes, self.seed, self.frozen, self.lr = scenes, seed, frozen, lr
        self.labels = [torch.as_tensor(np.asarray(ids, np.int64)) for ids in labels]
        self.labels = [torch.where((ids >= 0) & (ids < classes), ids, -1) for ids in self.labels]
        self.taught = [number for number, ids in enumerate(self.labels) if bool((ids >= 0).any())]
        device = next(model.parameters()).device
        torch.manual_seed(generator_of(seed, 11).initial_seed())
        self.module = Segmenter(copy.deepcopy(model), classes).to(device).train()
        self.module.encoder.requires_grad_(not frozen).train(not frozen)
        self.optimizer = adam(self.module.parameters(), lr=lr, weight_decay=DECAY)
        counts = torch.bincount(torch.cat([ids[ids >= 0] for ids in self.labels]), minlength=classes)
        self.balance = counts.clamp_min(1).float().rsqrt().to(device)  # as the linear probe weighs classes
        self.augmentation = Augmentation()

    def identity(self) -> Any:
        scenes = [
            [float(scene.means.double().sum()), int(ids.sum()), len(ids)]
            for scene, ids in zip(self.scenes, self.labels, strict=True)
        ]
        weights = float(sum(parameter.detach().double().abs().sum() for parameter in self.module.parameters()))
        return [scenes, weights, self.frozen, self.lr, self.seed, len(self.balance)]

    def sample_name(self, sample: int) -> str:
        return f"scene {self._which(sample)}"

    def losses(self, step: int, sample: int) -> dict[str, Tensor]:
        """The weighted cross-entropy over the labelled Gaussians of an augmented scene."""
        torch.manual_seed(generator_of(self.seed, 12, sample).initial_seed())  # dropped paths
        which = self._which(sample)
        scene = augment(self.scenes[which], self.augmentation, generator_of(self.seed, 13, sample))
        voxels, ids = voxelize(scene, self.module.inputs), self.labels[which]
        known = torch.nonzero(ids >= 0)[:, 0]
        logits = self.module(voxels, frozen=self.frozen)
        device = logits.device
        logits = logits.index_select(0, voxels.index[known].to(device))
        return {"names": F.cross_entropy(logits, ids[known].to(device), weight=self.balance)}

    def _which(self, sample: int) -> int:
        return self.taught[scene_of_step(sample, len(self.taught), self.seed)]
