"""The figures of a run, as counts room by room, so that any interval can be drawn from them later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from benchmarks.claims.runs import Probe, Run
from benchmarks.claims.train import encoder_of, rooms_of
from chorus import metrics
from chorus.capture import Capture
from chorus.encoder.checkpoint import SceneModel
from chorus.encoder.encode import SceneEncoder
from chorus.evaluate import instances, retrieval, zero_shot
from chorus.evaluate.collect import label_set
from chorus.evaluate.encoded import NOISE, lifted_field
from chorus.evaluate.inputs import Field, Room
from chorus.evaluate.points import TruthPoints, truth_of, truth_points
from chorus.evaluate.tasks import REACH, proposed
from chorus.evaluate.voting import Voting
from chorus.io import read_scene
from chorus.probe import DecoderProbe, FineTune, LinearProbe, few_points, few_rooms, sample_rows
from chorus.scene import GaussianScene
from chorus.splat.labels import load_labels
from chorus.teachers.base import language_of
from chorus.teachers.load import load_teachers
from chorus.text import prompt
from chorus.workspace import Workspace

Split = str
ENDS = (0.25, 0.5)  # IoU from which a proposed object is a true one
Encode = Callable[[str], Field]
Guess = Callable[[Room], np.ndarray]  # class ids [N] of its Gaussians


@dataclass
class Bench:
    """The rooms figures are counted on, read once for all runs. split: validation, or held_out for a release."""

    workspace: Workspace
    split: Split = "validation"

    def __post_init__(self) -> None:
        self.voting = Voting(self.workspace.params.evaluate.neighbors)
        self.encoder: tuple[Run, Encode, dict[str, float]] | None = None  # the last one that was opened
        self._scenes: dict[str, GaussianScene] = {}

    def rooms(self, domain: str) -> list[str]:
        return self.workspace.rooms(split=self.split, domain=domain)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The label set: all that the scored rooms declare."""
        return label_set(self.workspace.store, [*self.rooms("main"), *self.rooms("second")])

    @cached_property
    def text(self) -> np.ndarray:
        """[T, C] of the names' prompts."""
        teacher = language_of(load_teachers(self.workspace.params.teachers, self.workspace.store))
        return teacher.text([prompt(name) for name in self.names]).cpu().numpy()

    def scene(self, name: str) -> GaussianScene:
        if name not in self._scenes:
            self._scenes[name] = read_scene(self.workspace.store.scene(name, "gaussians"))
        return self._scenes[name]

    @cached_property
    def truths(self) -> dict[str, Room]:
        """Scored rooms by name, without fields."""
        found = {}
        for name in [*self.rooms("main"), *self.rooms("second")]:
            capture = Capture.load(self.workspace.store.scene(name, "capture"))
            truth = truth_points(capture, grid=self.workspace.params.evaluate.truth_grid)
            info = {"home": capture.info.get("home", name)}
            found[name] = Room(name=name, truth=truth.renamed(capture.class_names, self.names), fields={}, info=info)
        return found

    def labels(self, name: str) -> np.ndarray:
        """[N] class ids of a training room's Gaussians, -1 where there is none."""
        labels = load_labels(self.workspace.store.scene(name, "gaussians") / "labels.npz")
        truth = TruthPoints(
            positions=self.scene(name).means.numpy(), semantic=labels.semantic.astype(int), instance=labels.instance
        )
        return truth.renamed(labels.class_names, self.names).semantic


def score(bench: Bench, run: Run) -> dict[str, Any]:
    """figures: name -> counts by room (see ``statistics``), of a frozen encoder in every protocol or of one probe;
    seconds: of the training that made the encoder."""
    if run.probe is not None:
        return _probe(bench, run)
    encode, seconds = _encoder(bench, run)
    main, second = (_with_fields(bench, bench.rooms(domain), encode) for domain in ("main", "second"))
    found: dict[str, Any] = {}
    if run.encoder.speaks:
        found |= _zero_shot(bench, main, "zero_shot") | _zero_shot(bench, second, "second")
        found["objects"] = _objects(bench, main)
    if not run.encoder.adapted:
        found["linear"] = _linear(bench, main, encode, Probe(), seed=run.seed)
    if run.encoder.kind != "lifted":
        found["retrieval"] = _retrieval(bench, main, run)
    return {"figures": found, "seconds": seconds}


def _encoder(bench: Bench, run: Run) -> tuple[Encode, dict[str, float]]:
    """What gives a room its features, each room once as long as the next run is of the same encoder."""
    if bench.encoder is None or bench.encoder[0] != run.frozen():
        encode, seconds = _opened(bench, run)
        bench.encoder = run.frozen(), cache(encode), seconds
    return bench.encoder[1:]


def _opened(bench: Bench, run: Run) -> tuple[Encode, dict[str, float]]:
    store = bench.workspace.store
    if run.encoder.kind == "lifted":
        return lambda name: lifted_field(
            bench.scene(name), store.scene(name, "targets"), store.scene(name, "teacher_views")
        ), {}
    model, seconds = encoder_of(bench.workspace, run)
    return lambda name: field(model, bench.scene(name)), seconds


def field(model: SceneModel, scene: GaussianScene) -> Field:
    """The model's features at the Gaussians: of a language head where it has one, and up-cast."""
    outputs = ("lang", "upcast") if "lang" in model.heads else ("upcast",)
    out = SceneEncoder(model).encode(scene, outputs, progress=False)
    lang = out.lang.numpy() if "lang" in outputs else None
    return Field(positions=scene.means.numpy(), lang=lang, probe=out.upcast.numpy())


def _with_fields(bench: Bench, names: Sequence[str], encode: Encode) -> list[tuple[Room, Field]]:
    return [(bench.truths[name], encode(name)) for name in names]


def _zero_shot(bench: Bench, rooms: Sequence[tuple[Room, Field]], name: str) -> dict[str, Any]:
    """The three protocols: each Gaussian by itself; the vote of the nearest; the vote inside true instances, which
    reads the truth."""
    classes = len(bench.names)
    found: dict[str, list[np.ndarray]] = {f"{name}{end}": [] for end in ("_raw", "", "_instances")}
    for room, given in rooms:
        ids = zero_shot.classify(given.words, bench.text, given.speaks)
        truth, _ = truth_of(given.positions, room.truth, reach=REACH)
        voted = bench.voting.spread(ids, given, room, classes=classes)
        inside = zero_shot.instance_vote(voted, room.truth.instance, classes)
        found[f"{name}_raw"].append(metrics.confusion(truth, ids, classes))
        found[name].append(metrics.confusion(room.truth.semantic, voted, classes))
        found[f"{name}_instances"].append(metrics.confusion(room.truth.semantic, inside, classes))
    return {key: counts(matrices, rooms) for key, matrices in found.items()}


def counts(matrices: Sequence[np.ndarray], rooms: Sequence[tuple[Room, Any]]) -> dict[str, Any]:
    """What IoU and accuracy are sums of: hits, truth and predictions of each class, a line a room."""
    lines = {
        "hits": [np.diagonal(matrix[:, :-1]) for matrix in matrices],
        "truth": [matrix.sum(axis=1) for matrix in matrices],
        "predicted": [matrix[:, :-1].sum(axis=0) for matrix in matrices],
    }
    return {"rooms": _rooms(rooms), **{key: [_line(row) for row in rows] for key, rows in lines.items()}}


def _rooms(rooms: Sequence[tuple[Room, Any]]) -> list[list[str]]:
    return [[room.name, str(room.info["home"])] for room, _ in rooms]


def _line(row: np.ndarray) -> str:
    return " ".join(str(int(value)) for value in row)


def _objects(bench: Bench, rooms: Sequence[tuple[Room, Field]]) -> dict[str, Any]:
    """Proposed objects, best score first: class, score and whether it is a true one at each IoU; and how many true ones
    there are of each class."""
    things = np.array([name not in metrics.BACKGROUND for name in bench.names])
    proposals, truth = [], []
    for room, given in rooms:
        one = proposed(room, given, bench.text, things, bench.voting)
        hits = [instances.matches(one, end) for end in ENDS]
        order = np.argsort(-one[0].score, kind="stable")
        proposals.append(
            [[int(one[0].label[i]), round(float(one[0].score[i]), 5), *(int(hit[i]) for hit in hits)] for i in order]
        )
        truth.append(_line(np.bincount(one[2], minlength=len(bench.names))))
    return {"rooms": _rooms(rooms), "proposals": proposals, "truth": truth}


def _linear(
    bench: Bench, rooms: Sequence[tuple[Room, Field]], encode: Encode, spec: Probe, *, seed: int
) -> dict[str, Any]:
    """A linear probe of frozen features, learnt on training rooms."""
    taught = _labels(bench, spec, seed)
    features, ids = [], []
    for number, (name, labels) in enumerate(taught.items()):
        known = np.flatnonzero(labels >= 0)
        rows = known[sample_rows(len(known), bench.workspace.params.evaluate.probe_rows, seed=seed + number)]
        features.append(encode(name).frozen[rows])
        ids.append(labels[rows])
    steps = bench.workspace.params.evaluate.probe_steps
    probe = LinearProbe(len(bench.names), steps=steps, seed=seed).fit(features, ids)
    frozen = {room.name: given.frozen for room, given in rooms}
    return _voted(bench, rooms, lambda room: probe.predict(frozen[room.name]))


def _labels(bench: Bench, spec: Probe, seed: int) -> dict[str, np.ndarray]:
    """Training room -> class ids [N] of its Gaussians, few where the probe is to have few."""
    names = rooms_of(bench.workspace, 1.0)
    chosen = [names[number] for number in few_rooms(len(names), spec.rooms, seed=seed)]
    labels = {name: bench.labels(name) for name in chosen}
    return {name: few_points(ids, spec.points, seed=seed) if spec.points else ids for name, ids in labels.items()}


def _voted(bench: Bench, rooms: Sequence[tuple[Room, Any]], guess: Guess) -> dict[str, Any]:
    """Counts of guesses at the Gaussians after the vote of the nearest."""
    classes = len(bench.names)
    matrices = []
    for room, _ in rooms:
        everywhere = Field(positions=bench.scene(room.name).means.numpy())
        voted = bench.voting.spread(guess(room), everywhere, room, classes=classes)
        matrices.append(metrics.confusion(room.truth.semantic, voted, classes))
    return counts(matrices, rooms)


def _retrieval(bench: Bench, rooms: Sequence[tuple[Room, Field]], run: Run) -> dict[str, Any]:
    """How many objects of each room, seen again with moved Gaussians, find themselves among all rooms' objects."""
    model, _ = encoder_of(bench.workspace, run)
    clean, noisy, owner = [], [], []
    for number, (room, given) in enumerate(rooms):
        scene = bench.scene(room.name)
        moved = field(model, retrieval.perturbed(scene, sigma=NOISE, seed=bench.workspace.params.seed))
        semantic, instance = truth_of(given.positions, room.truth, reach=REACH)
        instance = np.where(semantic >= 0, instance, 0)
        clean.append(retrieval.pool(given.frozen, instance)[0])
        noisy.append(retrieval.pool(moved.frozen, instance)[0])
        owner += [number] * len(clean[-1])
    found = retrieval.found_again(np.concatenate(clean), np.concatenate(noisy))
    hits = np.bincount(owner, found, minlength=len(rooms))
    return {"rooms": _rooms(rooms), "hits": _line(hits), "truth": _line(np.bincount(owner, minlength=len(rooms)))}


def _probe(bench: Bench, run: Run) -> dict[str, Any]:
    """One probe over the run's encoder."""
    spec = run.probe or Probe()
    names = bench.rooms("main")
    if spec.kind == "linear":
        encode, _ = _encoder(bench, run)
        rooms = _with_fields(bench, names, encode)
        return {"figures": {"linear": _linear(bench, rooms, encode, spec, seed=run.seed)}, "seconds": {}}
    model, _ = encoder_of(bench.workspace, run)
    taught = _labels(bench, spec, run.seed)
    kind = {"decoder": DecoderProbe, "tune": FineTune}[spec.kind]
    probe = kind(model, len(bench.names), steps=run.probe_steps, seed=run.seed)
    probe.fit([bench.scene(name) for name in taught], list(taught.values()))
    rooms = [(bench.truths[name], None) for name in names]
    guesses = _voted(bench, rooms, lambda room: probe.predict(bench.scene(room.name)))
    return {"figures": {spec.kind: guesses}, "seconds": {}}
