"""Probes that see a scene's geometry: a decoder over a frozen encoder, and the encoder itself learning too."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, overload

import numpy as np
import torch

from chorus.encoder.checkpoint import SceneModel
from chorus.encoder.encode import SceneEncoder
from chorus.encoder.inputs import voxelize
from chorus.errors import InputError
from chorus.metrics import miou
from chorus.probe.labels import class_count, matched
from chorus.probe.supervised import Segmenter, Supervised
from chorus.scene import GaussianScene
from chorus.train.loop import Course, Watch, train

Scenes = GaussianScene | Sequence[GaussianScene]
Labels = np.ndarray | Sequence[np.ndarray]
WARMUP, CLIP, EVERY, KEEP = 0.05, 1.0, 20, 50


def untrained(model: SceneModel | SceneEncoder, *, seed: int = 0) -> SceneModel:
    """The same architecture with fresh weights, where the model is: what learns from scratch, or is no teacher's
    pupil."""
    config = model.config
    device = next(_model(model).parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SceneModel(config).to(device)


class DecoderProbe:
    """A light decoder that learns class names from a frozen encoder's levels; ``fit``, ``predict`` and ``score`` as of
    LinearProbe, with scenes in the place of features.

    model: left as it is. classes: the labels' largest + 1 when None. steps: of one scene; lr: of AdamW with warm-up and
    cosine decay. After ``fit``: segmenter_, curve_ (rows of its loss), classes_. Scenes are encoded whole; one of more
    voxels than the encoder takes at once is refused.
    """

    frozen: ClassVar[bool] = True
    segmenter_: Segmenter
    curve_: list[dict]
    classes_: int

    def __init__(
        self,
        model: SceneModel | SceneEncoder,
        classes: int | None = None,
        *,
        steps: int = 300,
        lr: float = 1.5e-3,
        seed: int = 0,
    ):
        self.model, self.classes, self.steps, self.lr, self.seed = _model(model), classes, steps, lr, seed
        self.most = model.max_rows if isinstance(model, SceneEncoder) else SceneEncoder(model).max_rows

    def fit(
        self, scenes: Scenes, labels: Labels, *, state: Path | None = None, watch: Watch | None = None
    ) -> DecoderProbe:
        """Learn from scenes of N Gaussians and class ids [N], those outside 0..classes-1 left out; the same numbers for
        the same seed.

        state: folder of the running checkpoint, from which a killed run goes on; none when None. Raises InputError when
        no Gaussian has a label, where scenes and labels do not agree, and what chorus.train.loop.train raises.
        """
        where = "fine-tuning" if not self.frozen else "decoder probe"
        found, ids = matched(where, scenes, labels)
        self.classes_ = class_count(where, np.concatenate(ids), self.classes)
        for scene in found:
            self._check(scene)
        options = {"classes": self.classes_, "frozen": self.frozen, "lr": self.lr, "seed": self.seed}
        task = Supervised(self.model, found, ids, **options)
        rhythm = {"log_every": EVERY, "checkpoint_every": KEEP}
        course = Course(steps=self.steps, lr=self.lr, warmup=WARMUP, clip=CLIP, **rhythm)
        with tempfile.TemporaryDirectory(prefix="chorus-") as folder:
            self.curve_, _ = train(task, course, state=Path(state or folder), watch=watch)
        self.segmenter_ = task.module.eval()
        return self

    @overload
    def predict(self, scenes: GaussianScene) -> np.ndarray: ...

    @overload
    def predict(self, scenes: Sequence[GaussianScene]) -> list[np.ndarray]: ...

    def predict(self, scenes: Scenes) -> np.ndarray | list[np.ndarray]:
        """[N] class ids of a scene; of several a list. Raises InputError before ``fit``."""
        if not hasattr(self, "segmenter_"):
            raise InputError("probe", expected="a fitted probe", got="one that learnt nothing", fix="Call fit.")
        if not isinstance(scenes, GaussianScene):
            return [self.predict(scene) for scene in scenes]
        self._check(scenes)
        return self.segmenter_.classify(scenes)

    def score(self, scenes: Scenes, labels: Labels) -> float:
        """mIoU in percent over the classes the labels hold, of all scenes together."""
        found, truth = matched("probe", scenes, labels)
        return miou(truth, self.predict(found), self.classes_)

    def _check(self, scene: GaussianScene) -> None:
        rows = len(scene) if len(scene) <= self.most else len(voxelize(scene, self.model.config.inputs))
        if rows > self.most:
            fix = "Crop it: chorus crop, or scene.select."
            raise InputError("probe", expected=f"a scene of at most {self.most} voxels", got=rows, fix=fix)


class FineTune(DecoderProbe):
    """The same with the encoder learning too: full fine-tuning, or, of an ``untrained`` model, supervised learning from
    scratch."""

    frozen = False


def _model(model: SceneModel | SceneEncoder) -> SceneModel:
    return model.model if isinstance(model, SceneEncoder) else model
