"""From the store to what a report needs: loads scenes, targets and models, encodes, and keeps plain arrays."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from chorus.capture import Capture
from chorus.errors import InputError, StoreError
from chorus.evaluate.encoded import Encoders, color_field, lifted_field, thinned
from chorus.evaluate.images import teacher_scores
from chorus.evaluate.inputs import ReportInputs, Room
from chorus.evaluate.points import TruthPoints, truth_points
from chorus.io import read_scene
from chorus.json_files import read_json
from chorus.params import Params
from chorus.splat.labels import load_labels
from chorus.store import Store, manifest_of
from chorus.teachers.lift import storage

AGAIN = "Make that scene again."
TEACHER_SHEET = "Teachers on renders of held-out rooms: labels, nearest word, principal components"


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """Scene ids by what they are for."""

    held_out: Sequence[str]
    probe_train: Sequence[str] = ()
    adaptation: Sequence[str] = ()  # held-out rooms of the second domain
    adapted_on: Sequence[str] = ()  # training rooms of the second domain: nothing of them is scored

    def every(self) -> list[str]:
        """All of them: the fits and the storage a report sums up are theirs, and no other scene's of the store."""
        return [*self.held_out, *self.probe_train, *self.adaptation, *self.adapted_on]


def collect(
    store: Store,
    params: Params,
    rooms: Rooms,
    *,
    teachers: bool = True,
    encoder: Path | None = None,
    adapted: Path | None = None,
    seconds: Mapping[str, float] | None = None,
    sheets: Mapping[str, Path | bytes] | None = None,
) -> ReportInputs:
    """Everything a report is made from.

    teachers: also judge the 2D teachers. encoder, adapted: model folders, the store's when None; the adapted one may be
    absent. seconds: stage -> wall time; sheets: further pictures by caption. Raises ChorusError when a room has no
    labels or an artifact is absent.
    """
    started = time.perf_counter()
    encoder, adapted = encoder or store.model("encoder"), adapted or store.model("adapted")
    encoders = Encoders.load(encoder, adapted if adapted.is_dir() else None, seed=params.seed)
    names = label_set(store, [*rooms.held_out, *rooms.adaptation])
    scores, sheet = teacher_scores(store, rooms.held_out, params.teachers) if teachers else ({}, None)
    return ReportInputs(
        names=names,
        text=encoders.words(names),
        withheld=tuple(name for name in params.teachers.withheld if name in names),
        held_out=tuple(_held_out(store, scene, names, encoders, params) for scene in rooms.held_out),
        probe_train=tuple(_probe(store, scene, names, encoders, params) for scene in rooms.probe_train),
        trained_models=_models(store, [*rooms.probe_train, *rooms.adapted_on]),
        adaptation=tuple(_adaptation(store, scene, names, encoders, params) for scene in rooms.adaptation)
        if encoders.adapted
        else (),
        curves=_curves({"encoder": encoder, "adapted": adapted}),
        fit={scene: read_json(store.scene(scene, "gaussians") / "metrics.json", fix=AGAIN) for scene in rooms.every()},
        sheets=({TEACHER_SHEET: sheet} if sheet else {}) | _sheets(store, rooms.held_out) | dict(sheets or {}),
        teachers=scores,
        storage=_storage(store, rooms.every()),
        seconds=dict(seconds or {}),
        started=started,
        provenance=_provenance(store, rooms),
        seed=params.seed,
    )


def label_set(store: Store, scenes: Sequence[str]) -> tuple[str, ...]:
    """All class names the scenes' captures declare, in the order they are first met, "unlabelled" left out."""
    names: dict[str, None] = {}
    for scene in scenes:
        path = store.scene(scene, "capture") / "labels.json"
        if not path.exists():
            raise StoreError(
                f"scene '{scene}'",
                expected="a labelled capture",
                got="one without labels",
                fix="Evaluate on rooms of homes.",
            )
        names |= dict.fromkeys(read_json(path, fix=AGAIN)["class_names"][1:])
    if not names:
        raise InputError("evaluation", expected="at least one labelled room", got="none")
    return tuple(names)


def _held_out(store: Store, scene: str, names: tuple[str, ...], encoders: Encoders, params: Params) -> Room:
    """A room with every method's features, its capture and its Gaussians."""
    gaussians, capture = read_scene(store.scene(scene, "gaussians")), Capture.load(store.scene(scene, "capture"))
    lifted = lifted_field(gaussians, store.scene(scene, "targets"), store.scene(scene, "teacher_views"))
    fields = {
        "lifted": lifted,
        "color_only": color_field(gaussians),
        **encoders.fields(gaussians),
        **encoders.robustness(gaussians),
    }
    return Room(
        name=scene,
        truth=_truth(capture, names, params),
        fields=fields,
        gaussians=gaussians,
        capture=capture,
        info=_info(capture),
    )


def _probe(store: Store, scene: str, names: tuple[str, ...], encoders: Encoders, params: Params) -> Room:
    """A training room: labels of its Gaussians and a sample of rows for the probe to learn from."""
    gaussians = read_scene(store.scene(scene, "gaussians"))
    labels = load_labels(store.scene(scene, "gaussians") / "labels.npz")
    positions = gaussians.means.numpy()
    truth = TruthPoints(
        positions=positions, semantic=labels.semantic.astype(int), instance=labels.instance.astype(int)
    ).renamed(labels.class_names, names)
    lifted = lifted_field(gaussians, store.scene(scene, "targets"), store.scene(scene, "teacher_views"))
    fields = {"lifted": lifted, "color_only": color_field(gaussians), **encoders.fields(gaussians)}
    return Room(
        name=scene,
        truth=truth,
        fields=thinned(fields, truth.semantic >= 0, rows=params.evaluate.probe_rows, seed=params.seed),
    )


def _adaptation(store: Store, scene: str, names: tuple[str, ...], encoders: Encoders, params: Params) -> Room:
    gaussians, capture = read_scene(store.scene(scene, "gaussians")), Capture.load(store.scene(scene, "capture"))
    return Room(
        name=scene, truth=_truth(capture, names, params), fields=encoders.adaptation(gaussians), info=_info(capture)
    )


def _truth(capture: Capture, names: tuple[str, ...], params: Params) -> TruthPoints:
    return truth_points(capture, grid=params.evaluate.truth_grid).renamed(capture.class_names, names)


def _info(capture: Capture) -> dict:
    return {key: capture.info[key] for key in ("home", "room", "domain", "split", "models") if key in capture.info}


def _models(store: Store, scenes: Iterable[str]) -> frozenset[str]:
    """Names of the furniture models drawn in these rooms."""
    return frozenset(
        name
        for scene in scenes
        for name in read_json(store.scene(scene, "capture") / "cameras.json", fix=AGAIN)["info"].get("models", {})
    )


def _curves(models: Mapping[str, Path]) -> dict[str, Path]:
    """Every curves.csv below a model's folder, by model and input variant."""
    found = {}
    for name, folder in models.items():
        for path in sorted(folder.glob("**/curves.csv")):
            inner = path.parent.relative_to(folder).as_posix()
            found[name if inner == "." else f"{name}/{inner}"] = path
    return found


def _sheets(store: Store, scenes: Iterable[str]) -> dict[str, Path]:
    paths = {
        f"Fit of {scene}: truth, render, error": store.scene(scene, "gaussians") / "contact_sheet.png"
        for scene in list(scenes)[:3]
    }
    return {caption: path for caption, path in paths.items() if path.exists()}


def _storage(store: Store, scenes: Iterable[str]) -> dict[str, int]:
    """Bytes of these scenes' targets, factorised and naive."""
    total = {"factorized_bytes": 0, "naive_bytes": 0}
    for scene in scenes:
        sizes = storage(store.scene(scene, "targets"), store.scene(scene, "teacher_views"))
        total = {key: total[key] + int(sizes[key]) for key in total}
    return total


def _provenance(store: Store, rooms: Rooms) -> dict[str, str]:
    """Artifact -> content hash, of the models and the rooms the figures rest on."""
    paths = {
        "models/encoder": store.model("encoder"),
        "models/adapted": store.model("adapted"),
        "teachers/embedded": store.embedded_teacher,
    }
    paths |= {
        f"{part} of {scene}": store.scene(scene, part)
        for scene in (*rooms.held_out, *rooms.adaptation)
        for part in ("capture", "gaussians", "targets")
    }
    return {name: manifest_of(path)["hash"] for name, path in paths.items() if (path / "manifest.json").exists()}
