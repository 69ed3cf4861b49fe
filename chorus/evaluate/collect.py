"""From the store to what a report needs: loads scenes, targets and models, encodes, and keeps plain arrays."""

from __future__ import annotations

import operator
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from chorus.capture import Capture
from chorus.device import device_of
from chorus.errors import InputError, StoreError
from chorus.evaluate.each import each
from chorus.evaluate.encoded import Encoders, color_field, lifted_field, thinned
from chorus.evaluate.images import teacher_scores
from chorus.evaluate.inputs import ReportInputs, Room, richest
from chorus.evaluate.points import TruthPoints, truth_points
from chorus.evaluate.rooms import Rooms, require_targets
from chorus.io import read_scene
from chorus.json_files import read_json
from chorus.params import Params
from chorus.scene import GaussianScene
from chorus.splat.labels import load_labels
from chorus.store import Store, manifest_of
from chorus.teachers.lift import storage
from chorus.teachers.rows import RowFile
from chorus.view.named import NamedScene
from chorus.view.page import page_of
from chorus.view.session import Session

AGAIN = "Make that scene again."
SHEET = "contact_sheet.png"  # of a fit
SETTINGS = (  # parameters the figures depend on most
    "seed",
    "capture.views",
    "fit.iterations",
    "teachers.family",
    "encoder.preset",
    "encoder.grid_size",
    "distill.steps",
    "adapt.steps",
    "adapt.tune",
)


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
    absent. seconds: stage -> seconds; sheets: further pictures by caption. Raises StoreError, naming the rooms, when a
    room to be scored has no current targets; ChorusError when a room has no labels or a model is absent.
    """
    started, device = time.perf_counter(), device_of(params.device)
    require_targets(store, rooms)
    models = {"encoder": encoder or store.model("encoder"), "adapted": adapted or store.model("adapted")}
    adapted = models["adapted"] if models["adapted"].is_dir() else None
    encoders = Encoders.load(models["encoder"], adapted, seed=params.seed, device=params.device)
    names = label_set(store, rooms.scored())
    taught, withheld = _known_names(store, params, rooms, names)
    scores, sheet = teacher_scores(store, rooms.test, params.teachers, device=device) if teachers else ({}, None)
    test = each(lambda scene: _test(store, scene, names, encoders, params), rooms.test)
    return ReportInputs(
        names=names,
        text=encoders.text(names),
        taught=taught,
        withheld=withheld,
        family=params.teachers.family,
        split=rooms.split,
        test=test,
        probe_train=each(lambda scene: _probe(store, scene, names, encoders, params), rooms.probe_train),
        trained_models=_models(store, rooms.trained()),
        adaptation=_adaptations(store, rooms.adaptation, names, encoders, params),
        validation=each(lambda scene: _worded(store, scene, names, params, encoders.worded), rooms.validation),
        validation_adaptation=_adaptations(store, rooms.validation_adaptation, names, encoders, params),
        curves=_curves(models),
        fit={scene: read_json(store.scene(scene, "gaussians") / "metrics.json", fix=AGAIN) for scene in rooms.every()},
        page=_page(test, encoders),
        links=_links(store, rooms),
        sheets=_sheets(store, rooms, sheet) | dict(sheets or {}),
        teachers=scores,
        storage=_storage(store, rooms.every()),
        seconds=dict(seconds or {}),
        started=started,
        provenance=_provenance(store, rooms, models, params.teachers.family),
        settings={name: operator.attrgetter(name)(params) for name in SETTINGS},
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


def _known_names(
    store: Store, params: Params, rooms: Rooms, names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(taught, withheld): names whose labels the language teacher met in the rooms trained on, and names kept from it.

    A foundation teacher met no label of ours: nothing was kept from it that we know of.
    """
    if params.teachers.family != "embedded":
        return names, ()
    withheld = tuple(name for name in params.teachers.withheld if name in names)
    shown: set[str] = set()
    for scene in rooms.trained():
        labels = load_labels(store.scene(scene, "gaussians") / "labels.npz")
        shown |= {labels.class_names[i] for i in np.unique(labels.semantic) if i > 0}
    return tuple(name for name in names if name not in withheld and (name in shown or not rooms.trained())), withheld


def _test(store: Store, scene: str, names: tuple[str, ...], encoders: Encoders, params: Params) -> Room:
    """A room with every method's features, its capture and its Gaussians."""
    gaussians, capture = read_scene(store.scene(scene, "gaussians")), Capture.load(store.scene(scene, "capture"))
    folders = store.scene(scene, "targets"), store.scene(scene, "teacher_views")
    lifted = lifted_field(gaussians, *folders)
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
    folders = store.scene(scene, "targets"), store.scene(scene, "teacher_views")
    lifted = lifted_field(gaussians, *folders)
    fields = {"lifted": lifted, "color_only": color_field(gaussians), **encoders.fields(gaussians)}
    return Room(
        name=scene,
        truth=truth,
        fields=thinned(fields, truth.semantic >= 0, rows=params.evaluate.probe_rows, seed=params.seed),
    )


def _adaptations(
    store: Store, scenes: Iterable[str], names: tuple[str, ...], encoders: Encoders, params: Params
) -> tuple[Room, ...]:
    """Rooms of the second domain with fields before and after; none where there is no adapted model."""
    if encoders.adapted is None:
        return ()
    return each(lambda scene: _worded(store, scene, names, params, encoders.adaptation), scenes)


def _worded(
    store: Store, scene: str, names: tuple[str, ...], params: Params, encode: Callable[[GaussianScene], dict]
) -> Room:
    """A room with the fields that ``encode`` makes of its Gaussians."""
    gaussians, capture = read_scene(store.scene(scene, "gaussians")), Capture.load(store.scene(scene, "capture"))
    return Room(name=scene, truth=_truth(capture, names, params), fields=encode(gaussians), info=_info(capture))


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


def _page(rooms: Sequence[Room], encoders: Encoders) -> str | None:
    """Of the room a report shows first, with the student's features."""
    first = next(iter(richest(rooms)), None)
    if first is None or first.gaussians is None:
        return None
    scene = first.gaussians if first.capture is None else replace(first.gaussians, frame=first.capture.frame.upright())
    return page_of(Session(NamedScene(first.name, scene, None), encoders.student))


def _links(store: Store, rooms: Rooms) -> dict[str, str]:
    """Where the pictures of a room's fit lie, seen from where the report will."""
    paths = {scene: store.scene(scene, "gaussians") / SHEET for scene in rooms.test}
    here = store.report(rooms.split)
    return {scene: Path(os.path.relpath(path, here)).as_posix() for scene, path in paths.items() if path.exists()}


def _sheets(store: Store, rooms: Rooms, teachers: bytes | None) -> dict[str, Path | bytes]:
    split = rooms.split.replace("_", "-")
    found: dict[str, Path | bytes] = {}
    if teachers:
        found[f"Teachers on renders of {split} rooms: labels, nearest word, principal components"] = teachers
    for scene in list(rooms.test)[:3]:
        path = store.scene(scene, "gaussians") / SHEET
        if path.exists():
            found[f"Fit of {scene}: truth, render, error"] = path
    return found


def _storage(store: Store, scenes: Iterable[str]) -> dict[str, float]:
    """Bytes of these scenes' targets and of N x C halves, and the least mean cosine between a scene's stored rows and
    what was lifted: the lifted teacher is scored on the stored rows."""
    total, cosines = {"targets_bytes": 0, "naive_bytes": 0}, []
    for scene in scenes:
        rows, sizes = RowFile.open(store.scene(scene, "targets")), storage(store.scene(scene, "targets"))
        total = {key: total[key] + sizes[key] for key in total}
        cosines += [rows.figures(role).get("cosine_mean", 1.0) for role in rows.roles]
    return {**total, "rows_cosine": min(cosines, default=1.0)}


def _provenance(store: Store, rooms: Rooms, models: Mapping[str, Path], family: str) -> dict[str, str]:
    """Artifact -> content hash, of the models and the rooms the figures rest on."""
    paths = {f"models/{name}": folder for name, folder in models.items()}
    if family == "embedded":
        paths["teachers/embedded"] = store.embedded_teacher
    paths |= {
        f"{part} of {scene}": store.scene(scene, part)
        for scene in rooms.scored()
        for part in ("capture", "gaussians", "targets")
    }
    return {name: manifest_of(path)["hash"] for name, path in paths.items() if (path / "manifest.json").exists()}
