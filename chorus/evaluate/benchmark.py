"""The published zero-shot protocol on labelled scenes of others: three protocols side by side, and objects.

As the released testers have it: every name is a candidate at every Gaussian, 25 of them vote for a point, points
without a label are left out, hits are added up over all scenes, and IoU is averaged over the classes that occur in the
truth or among the answers, accuracy over those in the truth; f- figures leave out wall, floor and ceiling. One thing
differs: among classes with as many votes theirs takes the first in the list, ours the one whose voters are nearer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chorus import metrics
from chorus.encoder.encode import SceneEncoder
from chorus.errors import ChorusError, InputError
from chorus.evaluate import instances, scannet_ap, zero_shot
from chorus.evaluate.benchmark_scenes import BenchmarkScene
from chorus.evaluate.limits import count
from chorus.evaluate.measure import rounded
from chorus.evaluate.points import truth_of
from chorus.evaluate.tasks import REACH, probabilities
from chorus.text import prompt

PROTOCOLS = {
    "raw": "raw: each Gaussian by itself",
    "vote": "vote of {neighbors} Gaussians",
    "instances": "vote in true instances (reads the truth)",
}
BLOCK = 2**16  # Gaussians compared with words at once
Open = Callable[[str], SceneEncoder]  # variant -> its encoder


@dataclass
class Tally:
    """What scenes add up to. names: T classes; neighbors: Gaussians that vote for a point."""

    names: tuple[str, ...]
    neighbors: int
    scenes: list[str] = field(default_factory=list)
    points: int = 0

    def __post_init__(self) -> None:
        self.matrices = {protocol: metrics.nothing(len(self.names)) for protocol in PROTOCOLS}
        self.things = np.array([name not in metrics.BACKGROUND for name in self.names])
        self.matched: list[list[scannet_ap.Matched]] = []
        self.objects = True  # whether every scene says which points are one object

    def add(self, scene: BenchmarkScene, features: np.ndarray, text: np.ndarray) -> None:
        """Count a scene. features: [N, C] of its Gaussians, comparable with text [T, C] of the names."""
        truth, classes = scene.truth, len(self.names)
        ids = classify(features, text)
        near = zero_shot.nearest(scene.gaussians.means.numpy(), truth.positions, scene.voters, neighbors=self.neighbors)
        voted = zero_shot.vote(ids, near, classes)
        at = truth.semantic
        if not scene.own:
            at, _ = truth_of(scene.gaussians.means.numpy(), truth, reach=REACH)
        self._count("raw", at, ids)
        self._count("vote", truth.semantic, voted)
        self._count("instances", truth.semantic, zero_shot.instance_vote(voted, truth.instance, classes))
        self.scenes.append(scene.name)
        self.points += int((truth.semantic >= 0).sum())
        self.objects &= bool((truth.instance > 0).any())
        if self.objects and near.shape[1]:
            chances = probabilities(features[near[:, 0]], text)
            found = instances.propose(truth.positions, chances, self.things, least=scannet_ap.LEAST)
            self.matched.append(scannet_ap.match(found, truth.semantic, truth.instance, self.things))

    def _count(self, protocol: str, truth: np.ndarray, predicted: np.ndarray) -> None:
        self.matrices[protocol] += metrics.confusion(truth, predicted, len(self.names))

    def figures(self) -> dict[str, Any]:
        """Percent: of each protocol miou, macc, f_miou, f_macc and overall; objects map, ap50, ap25, where the scenes
        have instances; by_class: IoU after the vote, NaN where a class neither occurs nor was answered."""
        return {
            "protocols": {name: averages(matrix, self.names) for name, matrix in self.matrices.items()},
            "objects": scannet_ap.table(self.matched) if self.matched and self.objects else None,
            "by_class": dict(zip(self.names, (100 * iou(self.matrices["vote"])).tolist(), strict=True)),
        }


def classify(features: np.ndarray, text: np.ndarray) -> np.ndarray:
    """[N] the nearest name of each feature [N, C], a block at a time: 200 names of a million Gaussians are 0.8 GB."""
    blocks = [features[start : start + BLOCK] for start in range(0, len(features), BLOCK)]
    return np.concatenate([zero_shot.similarity(block, text).argmax(axis=1) for block in blocks])


def iou(matrix: np.ndarray) -> np.ndarray:
    """[T] intersection over union; zero for a class that was answered and does not occur, NaN where neither. matrix:
    [T, T + 1]."""
    hits = np.diagonal(matrix[:, :-1]).astype(np.float64)
    union = matrix.sum(axis=1) + matrix[:, :-1].sum(axis=0) - hits
    return np.divide(hits, union, out=np.full(len(hits), np.nan), where=union > 0)


def averages(matrix: np.ndarray, names: Sequence[str]) -> dict[str, float]:
    """miou, macc, f_miou, f_macc, overall in percent of a confusion matrix [T, T + 1], by the published rules."""
    front, values = metrics.foreground(names), {"iou": iou(matrix), "acc": metrics.accuracy(matrix)}
    means = {f"m{key}": _mean(value) for key, value in values.items()}
    means |= {f"f_m{key}": _mean(value[front]) for key, value in values.items()}
    right, total = int(np.diagonal(matrix[:, :-1]).sum()), int(matrix.sum())
    return {**means, "overall": 100.0 * right / total if total else float("nan")}


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return 100.0 * float(known.mean()) if len(known) else float("nan")


def score(
    scenes: Sequence[Callable[[], BenchmarkScene]], names: tuple[str, ...], open_encoder: Open, *, neighbors: int
) -> tuple[Tally, list[str]]:
    """Encode and count scenes, opened one at a time, and a line for each that could not be read.

    Raises InputError for a model without words, and the first scene's error where none could be read.
    """
    tally, errors = Tally(names, neighbors), []
    encoders: dict[str, tuple[SceneEncoder, np.ndarray]] = {}
    for opened in scenes:
        try:
            scene = opened()
        except ChorusError as error:
            errors.append(error)
            continue
        if scene.variant not in encoders:
            encoders[scene.variant] = _with_words(open_encoder(scene.variant), names)
        encoder, text = encoders[scene.variant]
        features = encoder.encode(scene.gaussians, ("lang",), progress=False).lang
        tally.add(scene, features.float().cpu().numpy(), text)
    if not tally.scenes:
        raise errors[0]
    return tally, [str(error) for error in errors]


def _with_words(encoder: SceneEncoder, names: Sequence[str]) -> tuple[SceneEncoder, np.ndarray]:
    if encoder.text is None:
        raise InputError("model", expected="one with a language head", got=", ".join(encoder.available))
    return encoder, encoder.text([prompt(name) for name in names]).float().cpu().numpy()


def record(tally: Tally, *, labels_read: Sequence[str] = ()) -> dict[str, Any]:
    """The figures as plain JSON, with what they are of."""
    about = {"names": list(tally.names), "neighbors": tally.neighbors, "labels_read": list(labels_read)}
    return {"format": 1, "scenes": tally.scenes, "points": tally.points, **about, **rounded(tally.figures())}


def render(tally: Tally, *, labels_read: Sequence[str] = ()) -> str:
    """The figures as a table for a terminal. labels_read: roles whose training saw labels (label contrast)."""
    figures = tally.figures()
    head = f"{'percent':42}{'mIoU':>8}{'mAcc':>8}{'f-mIoU':>8}{'f-mAcc':>8}{'overall':>9}"
    lines = [
        f"{count(len(tally.scenes), 'scene')}, {tally.points:,} labelled points, {count(len(tally.names), 'name')}.",
        f"Label contrast in training: {', '.join(labels_read) or 'none'}.",
        "",
        head,
        "-" * len(head),
    ]
    for name, title in PROTOCOLS.items():
        found = figures["protocols"][name]
        cells = "".join(f"{found[key]:8.1f}" for key in ("miou", "macc", "f_miou", "f_macc"))
        lines.append(f"{title.format(neighbors=tally.neighbors):42}{cells}{found['overall']:9.1f}")
    found = figures["objects"]
    said = (
        "no instances"
        if found is None
        else f"mAP {found['map']:.1f}  AP50 {found['ap50']:.1f}  AP25 {found['ap25']:.1f}"
    )
    return "\n".join([*lines, "", f"{'objects, by the rules of ScanNet':42}  {said}"])
