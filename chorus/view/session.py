"""One scene looked at and asked: what a viewer shows and answers, without the viewer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from chorus.errors import InputError
from chorus.io import write_scene
from chorus.scene import GaussianScene, SplatLabels
from chorus.view import edit, query
from chorus.view.ask import Answer, Search
from chorus.view.colors import group_colors, label_colors, pca_colors
from chorus.view.named import NamedScene
from chorus.view.pick import Hit, pick
from chorus.view.reference import Reference
from chorus.view.render import SOLID
from chorus.view.vocabulary import HELD

MODES = ("rgb", "heat", "names", "instances", "PCA")
MOST = 300_000  # Gaussians that a browser turns smoothly
TELLING = 10_000  # Gaussians whose features tell a scene's main directions
BETWEEN = ";"  # several questions at once
NAMES_SHOWN = 5


def questions_of(line: str) -> list[str]:
    """The questions in a line, which semicolons part."""
    return [part.strip() for part in line.split(BETWEEN) if part.strip()]


@dataclass(frozen=True, kw_only=True)
class Clicked:
    """What was clicked. names: best first, with their share; rows: the Gaussians of its object (its own alone where it
    belongs to none); extent: [3] m of the box that holds the object's middle 90 %."""

    hit: Hit
    names: list[tuple[str, float]]
    rows: np.ndarray
    extent: np.ndarray


@dataclass
class Session:
    """named: the scene; encoder: as chorus.load gives it, None to look without asking; reference: what its features are
    held against."""

    named: NamedScene
    encoder: object | None = None
    reference: Reference | None = None
    most: int = MOST
    hidden: set[int] = field(default_factory=set)
    _made: dict[str, np.ndarray] = field(default_factory=dict, repr=False)  # colours by mode, of the scene alone

    @property
    def scene(self) -> GaussianScene:
        return self.named.gaussians

    @property
    def modes(self) -> tuple[str, ...]:
        """Of colours, that :meth:`colors` takes."""
        if self.encoder is None:
            return MODES[:1]
        return MODES if self.reference is None else (*MODES, *self.reference.modes)

    def renew(self, encoder) -> None:
        """Look with another model from now on: nothing that the last one made is kept."""
        self.encoder = encoder
        self._made.clear()
        for name in ("search", "labels", "instances"):
            self.__dict__.pop(name, None)

    @cached_property
    def search(self) -> Search:
        """Raises InputError without a model, or with one that has no words."""
        if self.encoder is None:
            raise InputError("view", expected="a model", got="none", fix="Give --model DIR.")
        return Search.of(self.scene, self.encoder)

    @cached_property
    def labels(self) -> SplatLabels:
        """What every Gaussian most likely is, and the object it belongs to."""
        return edit.labels_of(self.scene, *self.search.named(), HELD, gap=self.search.gap)

    @cached_property
    def kept(self) -> np.ndarray:
        """[K] rows, ascending, that are sent to a browser: all, or the ``most`` that cover most of a picture (opacity
        times the area of the two longer axes)."""
        if len(self.scene) <= self.most:
            return np.arange(len(self.scene))
        scales = np.sort(self.scene.scales.detach().cpu().numpy(), axis=1)
        cover = self.scene.opacities.detach().cpu().numpy() * scales[:, 1] * scales[:, 2]
        return np.sort(np.argpartition(-cover, self.most)[: self.most])

    def thinned(self) -> str:
        """A line for the user where not all is shown; empty where it is."""
        if len(self.kept) == len(self.scene):
            return ""
        return f"{len(self.kept):,} of {len(self.scene):,} Gaussians are shown: those that cover most"

    def ask(self, words: str, *, top: int = 5) -> list[Answer]:
        """An answer to each of the questions in a line, which semicolons part. Raises InputError for an empty one."""
        questions = questions_of(words)
        if not questions:
            raise InputError("words", expected='words to look for, as "a chair"', got=repr(words))
        return [self.search.ask(question, top=top) for question in questions]

    def colors(self, mode: str, answers: Sequence[Answer] = ()) -> np.ndarray:
        """[N, 3] in 0..1. heat: of the best of the answers, plain where nothing was asked."""
        if mode == "heat" and answers:
            return query.heat(self.scene, np.max([answer.score for answer in answers], axis=0))
        make: dict[str, Callable[[], np.ndarray]] = {
            "names": lambda: label_colors(self.labels.label.numpy(), self.labels.names),
            "instances": lambda: group_colors(self.instances),
            "PCA": self._pca,
        }
        if self.reference is not None:
            held, plain = self.reference, self.scene.rgb.detach().cpu().numpy()
            for name in held.modes:
                make[name] = lambda name=name: held.colors(name, self.search.features, plain)
        if mode not in make:
            return self.scene.rgb.detach().cpu().numpy()
        if mode not in self._made:  # a slider asks for them at every step
            self._made[mode] = make[mode]().astype(np.float32)
        return self._made[mode]

    def _pca(self) -> np.ndarray:
        """[N, 3] by the main directions of all features, or of as many evenly spread ones as tell them."""
        shared = self.search.shared
        some = shared[:: 1 + len(shared) // TELLING]
        return shared.each(pca_colors(shared.rows, like=some))

    def shown(self, *, opacity: float = 0.0, below: float = 1.0) -> np.ndarray:
        """[N] bool: at least so opaque, in the lower share ``below`` of the room's height, and not hidden by hand."""
        z = self.scene.means[:, 2].detach().cpu().numpy()
        low, high = np.percentile(z, [1, 99])
        mask = self.scene.opacities.detach().cpu().numpy() >= opacity
        if below < 1.0:
            mask &= z <= low + below * (high - low)
        if self.hidden:
            mask[np.fromiter(self.hidden, int)] = False
        return mask

    def inside(self, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        """[R] rows, ascending, whose centres lie in a box [3], [3] m and that are not hidden."""
        means = self.scene.means.detach().cpu().numpy()
        within = ((means >= low) & (means <= high)).all(axis=1)
        rows = np.flatnonzero(within)
        return rows[~np.isin(rows, np.fromiter(self.hidden, int, len(self.hidden)))]

    def click(self, origin: np.ndarray, direction: np.ndarray, *, shown: np.ndarray | None = None) -> Clicked | None:
        """What a ray meets first: its place, and with a model its names and its object. None for nothing."""
        hit = pick(self.scene, origin, direction, among=shown)
        return None if hit is None else self._clicked(hit)

    def at(self, point: np.ndarray) -> Clicked:
        """What lies at a place [3] m: the nearest solid Gaussian (any where none is solid), with its distance."""
        means = self.scene.means.detach().cpu().numpy().astype(np.float64)
        away = np.linalg.norm(means - np.asarray(point, np.float64), axis=1)
        solid = self.scene.opacities.detach().cpu().numpy() > SOLID
        row = int(np.where(solid, away, np.inf).argmin() if solid.any() else away.argmin())
        return self._clicked(Hit(row, means[row], float(away[row])))

    def _clicked(self, hit: Hit) -> Clicked:
        if self.encoder is None:
            return Clicked(hit=hit, names=[], rows=np.array([hit.row]), extent=np.zeros(3))
        group = self.instances[hit.row]
        rows = np.array([hit.row]) if group < 0 else np.flatnonzero(self.instances == group)
        low, high = query.middle_box(self.scene.means[torch.from_numpy(rows)].numpy())
        return Clicked(hit=hit, names=self.search.names(hit.row)[:NAMES_SHOWN], rows=rows, extent=high - low)

    def similar(self, row: int) -> Answer:
        """Where the scene is like one of its Gaussians: cosine of features, stretched from 0.5..1 to 0..1."""
        shared = self.search.shared
        score = shared.each(((shared.rows @ shared[row] - 0.5) / 0.5).clip(0.0, 1.0))
        objects = query.objects(self.scene, score, gap=self.search.gap)
        return Answer(words="similar", scene=self.scene, score=score, objects=objects)

    def export(self, path: Path, rows: np.ndarray | None = None) -> int:
        """Write Gaussians to a file by its suffix, with their labels in a .ply where there is a model; how many."""
        scene = self.scene
        if self.encoder is not None and Path(path).suffix.lower() == ".ply":
            scene = replace(scene, labels=self.labels)
        if rows is not None:
            scene = scene.select(torch.from_numpy(np.sort(rows)))
        write_scene(path, scene)
        return len(scene)

    @cached_property
    def instances(self) -> np.ndarray:
        """[N] the object of every Gaussian, -1 none."""
        instance = self.labels.instance
        return np.full(len(self.scene), -1) if instance is None else instance.numpy()
