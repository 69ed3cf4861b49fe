"""What makes the four parts of a scene."""

import logging
from collections.abc import Callable
from pathlib import Path

from chorus import splat
from chorus.names import one_of
from chorus.params import Params
from chorus.store import Store, hash_folder
from orchestration.plan import Plan, hash_of, part_hash
from orchestration.scene_list import all_scenes, specs


def capture(store: Store, params: Params, scene: str) -> Plan:
    """Posed images: of a room of a home, or of the folder a user dropped under data/incoming."""
    folder = store.incoming / scene
    if folder.is_dir():
        return _plan(
            store,
            scene,
            "capture",
            lambda out: _ingest(folder, params, out),
            params.capture,
            {"folder": hash_folder(folder)},
        )
    one_of(scene, all_scenes(store), "scene")
    spec = specs(store)[scene]
    return _plan(
        store,
        scene,
        "capture",
        lambda out: _render_room(store, spec, params, out),
        {"capture": params.capture, "scene": spec},
        {},
        recipe=2,
    )


def gaussians(store: Store, params: Params, scene: str) -> Plan:
    """Gaussians fitted to the capture."""
    inputs = {"capture": part_hash(store, scene, "capture")}
    return _plan(
        store,
        scene,
        "gaussians",
        lambda out: _fit(store, scene, params, out),
        {"fit": params.fit, "seed": params.seed},
        inputs,
        recipe=splat.RECIPE,
    )


def teacher_views(store: Store, params: Params, scene: str) -> Plan:
    """Views rendered from the Gaussians, as every teacher sees them."""
    inputs = {part: part_hash(store, scene, part) for part in ("capture", "gaussians")}
    teachers = params.teachers
    kept = {"family": teachers.family} | (
        {} if teachers.storage == "half" else {"storage": teachers.storage, "error": teachers.storage_error}
    )
    if teachers.family == "foundation":
        from chorus.teachers.foundation.identity import views_identity

        settings, weights = views_identity(teachers, store.root)
        request, inputs = (
            {**kept, **settings},
            inputs | {f"teachers/{role}": content for role, content in weights.items()},
        )
    else:
        request, inputs["teachers"] = kept, hash_of(store.embedded_teacher, "teachers/embedded")
    return _plan(store, scene, "teacher_views", lambda out: _teacher_views(store, scene, params, out), request, inputs)


def targets(store: Store, params: Params, scene: str) -> Plan:
    """The factorised lifting: one weight matrix a patch grid, and which Gaussians have a valid target."""
    inputs = {part: part_hash(store, scene, part) for part in ("gaussians", "teacher_views")}
    return _plan(store, scene, "targets", lambda out: _targets(store, scene, params, out), params.targets, inputs)


def _plan(store: Store, scene: str, part: str, make, params: object, inputs: dict, *, recipe: int = 1) -> Plan:
    return Plan(
        path=store.scene(scene, part), stage=f"scenes/{part}", make=make, params=params, inputs=inputs, recipe=recipe
    )


def _ingest(folder: Path, params: Params, out: Path) -> None:
    from chorus.sources import ingest_folder

    ingest_folder(folder, params.capture).save(out)


def _render_room(store: Store, spec, params: Params, out: Path) -> None:
    from chorus.sources.sweethome3d import fetch_homes, make_capture

    fetch_homes(store.homes)
    make_capture(spec, params.capture, homes_dir=store.homes).save(out)


def _fit(store: Store, scene: str, params: Params, out: Path) -> None:
    from chorus.capture import Capture
    from chorus.splat.artifact import save_gaussians
    from chorus.splat.fit import fit_scene

    capture = Capture.load(store.scene(scene, "capture"))
    save_gaussians(out, fit_scene(capture, params.fit, seed=params.seed), capture)


def _teacher_views(store: Store, scene: str, params: Params, out: Path) -> None:
    from chorus.capture import Capture
    from chorus.io import read_scene
    from chorus.teachers.load import load_teachers
    from chorus.teachers.views import make_teacher_views

    cameras, chosen = Capture.load(store.scene(scene, "capture")).cameras, params.teachers
    make_teacher_views(
        read_scene(store.scene(scene, "gaussians") / "scene.ply"),
        cameras,
        load_teachers(chosen, store),
        out=out,
        storage=chosen.storage,
        error=chosen.storage_error,
        batch=chosen.foundation.batch if chosen.family == "foundation" else 8,
        report=_say_every(10.0, scene),
    )
    if chosen.family == "foundation" and chosen.foundation.cache:
        from chorus.teachers.foundation.cache import prune

        prune(store.root / chosen.foundation.cache, keep_gigabytes=chosen.foundation.cache_gb)


def _say_every(seconds: float, scene: str) -> Callable:
    """Progress with the time left, to the log (Dagster's, during a run) and not too often."""
    said = 0.0

    def say(progress) -> None:
        nonlocal said
        if progress.seconds - said >= seconds:
            said = progress.seconds
            logging.getLogger("chorus.teachers").info("%s: %s", scene, progress)

    return say


def _targets(store: Store, scene: str, params: Params, out: Path) -> None:
    from chorus.io import read_scene
    from chorus.teachers.lift import make_targets

    make_targets(
        read_scene(store.scene(scene, "gaussians") / "scene.ply"),
        store.scene(scene, "teacher_views"),
        params.targets,
        out=out,
    )
