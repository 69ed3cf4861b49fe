"""Train the two decoders on labelled 2D views of the training homes, over the frozen trunk."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.params import TeacherParams
from chorus.teachers.embedded.bank import make_bank
from chorus.teachers.embedded.batches import Batch, draw_batch
from chorus.teachers.embedded.decoders import Decoder, DecoderSize
from chorus.teachers.embedded.losses import PURE, boundary_loss, pair_loss, word_loss
from chorus.teachers.embedded.text import DIM as WORD_DIM
from chorus.teachers.embedded.text import TextTower
from chorus.teachers.embedded.trunk import CHANNELS, Trunk, channels_last
from chorus.teachers.embedded.views import TrainingViews, training_views
from chorus.teachers.embedded.weights import save_heads
from chorus.train.loop import Course, Task, Watch, train
from chorus.train.schedule import generator_of
from chorus.train.step import adam

LANG_SIZE = DecoderSize(dim=WORD_DIM, coarse_width=320, coarse_blocks=3, fine_width=160, fine_blocks=2)
OBJECT_SIZE = DecoderSize(dim=64, coarse_width=128, coarse_blocks=2, fine_width=96, fine_blocks=2)
SIZES = {"lang": LANG_SIZE, "object": OBJECT_SIZE}
WEIGHT_DECAY, WARMUP, CLIP = 0.05, 0.05, 1.0  # the second a share of the steps, the last a norm of the gradient
LOG_EVERY, CHECKPOINT_EVERY = 25, 50  # steps
ROOMS = 4  # a step sees two neighbouring views of each of four rooms
PAIR_SAMPLES = 192  # patches a room in the contrast of instances
AVERAGING = 0.99  # decay of the running mean of the weights, which is what is kept
STATISTICS_VIEWS = 64  # views the trunk's statistics are taken from
VIEWS = "views"  # folder of the mapped views while a training runs


def train_embedded(
    captures: Iterable[Capture],
    params: TeacherParams,
    *,
    out: Path,
    seed: int,
    device: torch.device | str = "cpu",
    state: Path | None = None,
    watch: Watch | None = None,
) -> dict:
    """Train on the labelled views of these rooms, which must be training homes, and write the heads into the folder
    ``out``.

    captures: asked for one at a time. state: folder of the running checkpoint and live figures (``out`` when None), as
    :func:`chorus.train.loop.train` keeps them, and meanwhile of the views, 250 KB each. Returns {"steps", "views",
    "rooms", "generated", "things", "sentences", "losses": [...]}. One thread and one process: the same captures, params
    and seed give the same bytes on the same kind of machine. Raises InputError for rooms without labels, and what train
    raises.
    """
    state, homes = Path(state or out), set()

    def noted() -> Iterator[Capture]:
        for capture in captures:
            homes.add("generated" if capture.info.get("source") == "rooms" else str(capture.info.get("home", "?")))
            yield capture

    with one_thread(), torch.random.fork_rng(devices=[]):
        try:
            views = training_views(noted(), withheld=params.withheld, folder=state / VIEWS)
            task = Decoders(views, params, seed=seed, device=torch.device(device))
            every = {"log_every": LOG_EVERY, "checkpoint_every": CHECKPOINT_EVERY}
            course = Course(steps=params.train_steps, lr=params.lr, warmup=WARMUP, clip=CLIP, **every)
            curve, _ = train(task, course, state=state, watch=watch)
        finally:
            shutil.rmtree(state / VIEWS, ignore_errors=True)
        summary = {
            "steps": params.train_steps,
            "views": len(views),
            "rooms": len(views.items),
            "things": len(views.names) - 1,
            "sentences": len(task.bank),
        }
        notes = {
            **summary,
            "seed": seed,
            "homes": sorted(homes),
            "withheld": sorted(params.withheld),
            "names": sorted(views.names[1:]),
        }
        average = {role: decoder.cpu() for role, decoder in task.average.items()}
        save_heads(Path(out), **average, dino=task.dino_scales(), notes=notes)
    return {**summary, "losses": curve}


class Patches(NamedTuple):
    """Some patches of a room's two views."""

    rows: Tensor  # [n] of the flattened views
    instances: Tensor  # [n]
    classes: Tensor  # [n]
    view: Tensor  # [n] 0 or 1


class Decoders(Task):
    """Labelled views, and the two decoders that learn from them with the running means of their weights.

    All that is random in a step comes from its seed and number: views, changes, sentences, patches, dropped channels.
    """

    name, fix = "teacher training", "Lower teachers.lr."

    def __init__(self, views: TrainingViews, params: TeacherParams, *, seed: int, device: torch.device):
        self.views, self.params, self.seed, self.device = views, params, seed, device
        self.trunk = Trunk(device)
        class_weights, self.view_weights = _balance(views)
        if float(self.view_weights.sum()) == 0:
            expected, fix = "pixels of a supervised class", "Check the captures' labels."
            raise InputError("teacher training", expected=expected, got="none", fix=fix)
        shown = (pair for items in views.items for pair in zip(items.things.tolist(), items.models, strict=True))
        self.bank = make_bank(views.names, shown, TextTower())
        self.words, self.of = self.bank.words.to(device), self.bank.of.to(device)
        self.class_weights = class_weights.to(device)
        self.statistics = self._statistics()
        torch.manual_seed(seed)  # for the first weights; only now, for loading a network draws numbers too
        self.decoders = {role: Decoder(size) for role, size in SIZES.items()}
        self.average = {}
        for role, decoder in self.decoders.items():
            decoder.set_statistics(self.statistics)
            self.decoders[role] = channels_last(decoder).to(device)
            self.average[role] = Decoder(decoder.size).requires_grad_(False)
            self.average[role].load_state_dict(decoder.state_dict())
            self.average[role].to(device)
        self.module = nn.ModuleDict(
            {**self.decoders, **{f"average_{role}": decoder for role, decoder in self.average.items()}}
        )
        trained = [p for decoder in self.decoders.values() for p in decoder.parameters()]
        fused = device.type != "cpu"
        self.optimizer = adam(trained, lr=params.lr, weight_decay=WEIGHT_DECAY, fused=fused)

    def identity(self) -> Any:
        own = [self.params.train_steps, self.params.lr, sorted(self.params.withheld)]
        words = float(self.bank.words.double().sum())
        return [own, self.seed, list(self.views.names), len(self.views), self.views.checksum, len(self.bank), words]

    def clipped(self) -> list[list[nn.Parameter]]:
        return [list(decoder.parameters()) for decoder in self.decoders.values()]

    def losses(self, step: int, sample: int) -> dict[str, Tensor]:
        generator = generator_of(self.seed, 1, sample)
        batch = draw_batch(
            self.views, self.trunk, bank=self.bank, pairs=ROOMS, weights=self.view_weights, generator=generator
        )
        chosen = self._chosen(batch, generator)
        torch.manual_seed(generator_of(self.seed, 2, sample).initial_seed())  # dropped channels
        batch = batch.to(self.device)
        return {"words": self._word_loss(batch), **self._object_losses(batch, chosen)}

    def dino_scales(self) -> dict[int, float]:
        """stride -> the root mean variance of the trunk's channels there: the dino teacher divides by it."""
        return {stride: float(self.statistics[stride][1].square().mean().sqrt()) for stride in (8, 16)}

    def _word_loss(self, batch: Batch) -> Tensor:
        features = self.decoders["lang"](batch.pyramid).permute(0, 2, 3, 1)
        return word_loss(features, batch.shares, words=self.words, of=self.of, weights=self.class_weights[1:])

    def _object_losses(self, batch: Batch, patches: list[Patches]) -> dict[str, Tensor]:
        """patches: of each room's two views, for the contrast of instances."""
        features = self.decoders["object"](batch.pyramid)  # [B, D, h, w]
        pairs = []
        for room, chosen in enumerate(patches):
            flat = features.permute(0, 2, 3, 1)[2 * room : 2 * room + 2].flatten(0, 2)
            rows = chosen.rows.to(self.device, non_blocking=True)
            pairs.append(pair_loss(flat[rows], chosen.instances, chosen.classes, chosen.view))
        return {
            "pairs": torch.stack(pairs).mean(),
            "boundaries": boundary_loss(features, batch.instances, batch.purity),
        }

    def _chosen(self, batch: Batch, generator: torch.Generator) -> list[Patches]:
        """Some patches of every pair of views, on the host."""
        found = []
        for start in range(0, len(batch.instances), 2):  # the two views of a room
            instances, classes, purity = (
                x[start : start + 2].flatten() for x in (batch.instances, batch.classes, batch.purity)
            )
            rows = _patches(instances, purity, generator)
            view = torch.arange(2).repeat_interleave(len(instances) // 2)
            found.append(Patches(rows, instances[rows], classes[rows], view[rows]))
        return found

    def _statistics(self) -> dict[int, tuple[Tensor, Tensor]]:
        """stride -> mean [C] and standard deviation [C] of the trunk over some of the views, unchanged."""
        generator = generator_of(self.seed, 0)
        chosen = torch.randperm(len(self.views), generator=generator)[:STATISTICS_VIEWS]
        pyramids = [self.trunk(batch.float() / 255) for batch in self.views.images[chosen].split(8)]
        statistics = {}
        for stride in CHANNELS:
            x = torch.cat([pyramid[stride].transpose(0, 1).flatten(1) for pyramid in pyramids], dim=1)  # [C, n]
            statistics[stride] = (x.mean(dim=1), x.std(dim=1).clamp_min(1e-4))
        return statistics

    @torch.no_grad()
    def stepped(self, done: int) -> None:
        decay = min(AVERAGING, done / (done + 10))
        for role, decoder in self.decoders.items():
            for mean, now in zip(self.average[role].parameters(), decoder.parameters(), strict=True):
                mean.lerp_(now, 1 - decay)


def _patches(instances: Tensor, purity: Tensor, generator: torch.Generator) -> Tensor:
    """Indices of patches one instance fills, large instances thinned by the square root of their size."""
    good = ((instances > 0) & (purity > PURE)).nonzero()[:, 0]
    if len(good) <= PAIR_SAMPLES:
        return good
    _, which, counts = instances[good].unique(return_inverse=True, return_counts=True)
    weights = counts[which].float().rsqrt()
    return good[torch.multinomial(weights, PAIR_SAMPLES, generator=generator)]


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
