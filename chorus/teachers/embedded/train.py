"""Train the two decoders on labelled 2D views of the training homes, over the frozen trunk."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.params import TeacherParams
from chorus.teachers.embedded.decoders import Decoder, DecoderSize
from chorus.teachers.embedded.labels import TrainingViews, training_views
from chorus.teachers.embedded.losses import PURE, boundary_loss, pair_loss, word_loss
from chorus.teachers.embedded.pool import Batch, make_pool
from chorus.teachers.embedded.text import DIM as WORD_DIM
from chorus.teachers.embedded.text import TextTower
from chorus.teachers.embedded.trunk import CHANNELS, Trunk, channels_last
from chorus.teachers.embedded.weights import save_heads
from chorus.text import prompt
from chorus.train.schedule import parameter_groups, schedule, set_rate

LANG_SIZE = DecoderSize(dim=WORD_DIM, coarse_width=320, coarse_blocks=3, fine_width=160, fine_blocks=2)
OBJECT_SIZE = DecoderSize(dim=64, coarse_width=128, coarse_blocks=2, fine_width=96, fine_blocks=2)
WEIGHT_DECAY, WARMUP = 0.05, 0.05  # the latter a share of the steps
ROOMS = 4  # a step sees two neighbouring views of each of four rooms
PAIR_SAMPLES = 192  # patches a room in the contrast of instances
AVERAGING = 0.99  # decay of the running mean of the weights, which is what is kept
STATISTICS_VIEWS = 64  # views the trunk's statistics are taken from


def train_embedded(
    captures: list[Capture],
    params: TeacherParams,
    *,
    out: Path,
    seed: int,
    progress: Callable[[int, int, dict], None] | None = None,
) -> dict:
    """Train on the labelled views of these rooms, which must be training homes, and write the heads into the folder
    ``out``.

    progress: called every 25 steps with (step, steps, losses). Returns {"steps", "views", "rooms", "classes", "losses":
    [...]}. One thread, one generator: the same captures, params and seed give the same bytes on the same kind of
    machine. Raises InputError for rooms without labels.
    """
    with one_thread(), torch.random.fork_rng(devices=[]):
        views = training_views(captures, withheld=params.withheld)
        training = _Training(views, params, seed=seed)
        curve = training.run(progress or (lambda step, steps, losses: None))
        summary = {
            "steps": params.train_steps,
            "views": len(views),
            "rooms": len(captures),
            "classes": len(views.names) - 1,
        }
        rooms = sorted({str(capture.info.get("home", "?")) for capture in captures})
        notes = {
            **summary,
            "seed": seed,
            "homes": rooms,
            "withheld": sorted(params.withheld),
            "names": list(views.names[1:]),
        }
        save_heads(
            Path(out),
            lang=training.average["lang"],
            object=training.average["object"],
            dino=training.dino_scales(),
            notes=notes,
        )
    return {**summary, "losses": curve}


class _Training:
    def __init__(self, views: TrainingViews, params: TeacherParams, *, seed: int):
        self.views, self.steps = views, params.train_steps
        self.trunk, words = Trunk(), TextTower()
        self.generator = torch.Generator().manual_seed(seed)
        self.words = torch.cat([torch.zeros(1, WORD_DIM), words([prompt(name) for name in views.names[1:]])])
        self.class_weights, self.view_weights = _balance(views)
        if float(self.view_weights.sum()) == 0:
            raise InputError(
                "teacher training",
                expected="pixels of a supervised class",
                got="none",
                fix="Check the captures' labels.",
            )
        self.statistics = self._statistics()
        self.pool = make_pool(
            views, self.trunk, pairs=params.train_pairs, weights=self.view_weights, generator=self.generator
        )
        self.order: list[Tensor] = []
        torch.manual_seed(
            seed
        )  # for the first weights and the dropped channels; only now, for loading a network draws numbers too
        self.decoders = {"lang": Decoder(LANG_SIZE), "object": Decoder(OBJECT_SIZE)}
        self.average = {}
        for role, decoder in self.decoders.items():
            decoder.set_statistics(self.statistics)
            self.decoders[role] = channels_last(decoder)
            self.average[role] = Decoder(decoder.size).requires_grad_(False)
            self.average[role].load_state_dict(decoder.state_dict())
        trained = [p for decoder in self.decoders.values() for p in decoder.parameters()]
        self.optimizer = torch.optim.AdamW(parameter_groups(trained, WEIGHT_DECAY), lr=params.lr, betas=(0.9, 0.98))
        self.lr = params.lr

    def run(self, progress: Callable[[int, int, dict], None]) -> list[dict]:
        """All steps; the losses of every 25th and of the last, as ``progress`` was told them."""
        curve = []
        for step in range(1, self.steps + 1):
            set_rate(self.optimizer, self.lr * schedule(step - 1, self.steps, WARMUP))
            losses = self._step()
            self._follow(step)
            if step % 25 == 0 or step == self.steps:
                curve.append({"step": step, **{name: round(loss.item(), 5) for name, loss in losses.items()}})
                progress(step, self.steps, curve[-1])
        return curve

    def dino_scales(self) -> dict[int, float]:
        """stride -> the root mean variance of the trunk's channels there: the dino teacher divides by it."""
        return {stride: float(self.statistics[stride][1].square().mean().sqrt()) for stride in (8, 16)}

    def _step(self) -> dict[str, Tensor]:
        if not self.order:  # every pair once, then again in another order
            parts = torch.randperm(len(self.pool), generator=self.generator).split(ROOMS)
            self.order = [part for part in parts if len(part) == min(ROOMS, len(self.pool))]
        batch = self.pool.take(self.order.pop(), flip=bool(torch.rand((), generator=self.generator) < 0.5))
        losses = {"words": self._word_loss(batch), **self._object_losses(batch)}
        self.optimizer.zero_grad()
        functools.reduce(torch.add, losses.values()).backward()
        for decoder in self.decoders.values():
            torch.nn.utils.clip_grad_norm_(decoder.parameters(), 1.0)
        self.optimizer.step()
        return losses

    def _word_loss(self, batch: Batch) -> Tensor:
        features = self.decoders["lang"](batch.pyramid).permute(0, 2, 3, 1)
        return word_loss(features, batch.shares[..., 1:], self.words[1:], self.class_weights[1:])

    def _object_losses(self, batch: Batch) -> dict[str, Tensor]:
        features = self.decoders["object"](batch.pyramid)  # [B, D, h, w]
        pairs = []
        for start in range(0, len(features), 2):  # the two views of a room
            flat, instances, classes, purity = (
                x[start : start + 2].flatten(0, 2)
                for x in (features.permute(0, 2, 3, 1), batch.instances, batch.classes, batch.purity)
            )
            chosen = self._patches(instances, purity)
            view = torch.arange(2).repeat_interleave(len(flat) // 2)
            pairs.append(pair_loss(flat[chosen], instances[chosen], classes[chosen], view[chosen]))
        return {
            "pairs": torch.stack(pairs).mean(),
            "boundaries": boundary_loss(features, batch.instances, batch.purity),
        }

    def _patches(self, instances: Tensor, purity: Tensor) -> Tensor:
        """Indices of patches one instance fills, large instances thinned by the square root of their size."""
        good = ((instances > 0) & (purity > PURE)).nonzero()[:, 0]
        if len(good) <= PAIR_SAMPLES:
            return good
        _, which, counts = instances[good].unique(return_inverse=True, return_counts=True)
        weights = counts[which].float().rsqrt()
        return good[torch.multinomial(weights, PAIR_SAMPLES, generator=self.generator)]

    def _statistics(self) -> dict[int, tuple[Tensor, Tensor]]:
        """stride -> mean [C] and standard deviation [C] of the trunk over some of the views, unchanged."""
        chosen = torch.randperm(len(self.views), generator=self.generator)[:STATISTICS_VIEWS]
        pyramids = [self.trunk(batch.float() / 255) for batch in self.views.images[chosen].split(8)]
        statistics = {}
        for stride in CHANNELS:
            x = torch.cat([pyramid[stride].transpose(0, 1).flatten(1) for pyramid in pyramids], dim=1)  # [C, n]
            statistics[stride] = (x.mean(dim=1), x.std(dim=1).clamp_min(1e-4))
        return statistics

    @torch.no_grad()
    def _follow(self, step: int) -> None:
        decay = min(AVERAGING, step / (step + 10))
        for role, decoder in self.decoders.items():
            for mean, now in zip(self.average[role].parameters(), decoder.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)


def _balance(views: TrainingViews) -> tuple[Tensor, Tensor]:
    """Weights of classes [K], inverse square root of their pixels, and of views [V], by the rarest class they show
    well."""
    pixels = views.counts[:, 1:].sum(dim=0).float()
    weights = torch.zeros(len(views.names))
    present = pixels > 0
    weights[1:][present] = (pixels[present].median() / pixels[present]).sqrt().clamp(0.2, 4.0)
    shown = views.counts > 0.005 * views.counts.sum(dim=1, keepdim=True)
    return weights, (shown * weights).max(dim=1).values


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums on one thread come in one order: the same bytes whatever the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
