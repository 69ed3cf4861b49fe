"""The four artifacts of a scene: capture, Gaussians, what the teachers see of them, targets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from chorus.incoming import Incoming
from chorus.names import one_of
from chorus.params import CaptureParams
from chorus.recipes.recipe import Recipe, hash_of
from chorus.scene_list import GeneratedRoom, ListedRoom
from chorus.stages import CAPTURE, EMBEDDED, GAUSSIANS, TARGETS, TEACHER_VIEWS, part_of
from chorus.store import hash_path
from chorus.workspace import Workspace


def capture(workspace: Workspace, scene: str) -> Recipe:
    """Posed images: of a room of a home, or of the folder or video a user dropped under data/incoming; of splats,
    renders."""
    store, params = workspace.store, workspace.params.capture
    dropped = workspace.incoming().get(scene)
    if dropped is not None and scene not in workspace.listed():
        return Recipe(
            store=store,
            stage=CAPTURE,
            scene=scene,
            make=lambda out: _ingest(dropped, params, out),
            params={"capture": params, "options": dropped.options.said()} if dropped.options.said() else params,
            inputs={"folder": hash_path(dropped.path)},
        )
    one_of(scene, workspace.scenes(), "scene")
    room = workspace.listed()[scene]
    return Recipe(
        store=store,
        stage=CAPTURE,
        scene=scene,
        make=lambda out: _render_room(workspace, room, out),
        params={"capture": params, "scene": room},
    )


def gaussians(workspace: Workspace, scene: str) -> Recipe:
    """Gaussians fitted to the capture, or those it came with."""
    store, params = workspace.store, workspace.params
    return Recipe(
        store=store,
        stage=GAUSSIANS,
        scene=scene,
        device=workspace.params.device,
        make=lambda out: _fit(workspace, scene, out),
        params={"fit": params.fit, "seed": params.seed},
        inputs={"capture": hash_of(store, CAPTURE, scene)},
    )


def teacher_views(workspace: Workspace, scene: str) -> Recipe:
    """Views rendered from the Gaussians, as every teacher sees them."""
    store, teachers = workspace.store, workspace.params.teachers
    inputs = {"capture": hash_of(store, CAPTURE, scene), "gaussians": hash_of(store, GAUSSIANS, scene)}
    kept: dict[str, object] = {"family": teachers.family}
    if teachers.storage != "half":
        kept |= {"storage": teachers.storage, "error": teachers.storage_error}
    if teachers.family == "foundation":
        from chorus.teachers.foundation.identity import views_identity

        settings, weights = views_identity(teachers, store.root)
        kept |= settings
        inputs |= {f"teachers/{role}": content for role, content in weights.items()}
    else:
        inputs["teachers"] = hash_of(store, EMBEDDED)
    return Recipe(
        store=store,
        stage=TEACHER_VIEWS,
        scene=scene,
        device=workspace.params.device,
        make=lambda out: _teacher_views(workspace, scene, out),
        params=kept,
        inputs=inputs,
    )


def targets(workspace: Workspace, scene: str) -> Recipe:
    """Teacher features lifted onto the Gaussians: compact rows of every role, and which of them are valid."""
    store = workspace.store
    return Recipe(
        store=store,
        stage=TARGETS,
        scene=scene,
        device=workspace.params.device,
        make=lambda out: _targets(workspace, scene, out),
        params=workspace.params.targets,
        inputs={part_of(stage): hash_of(store, stage, scene) for stage in (GAUSSIANS, TEACHER_VIEWS)},
    )


def _ingest(dropped: Incoming, params: CaptureParams, out: Path) -> None:
    from chorus.recipes import needs
    from chorus.recipes.splats import find_splats, save_capture_of_splats
    from chorus.sources import ingest

    splats = find_splats(dropped.path) if dropped.path.is_dir() else None
    if splats is not None:
        needs.of_splats(splats, params, out)
        save_capture_of_splats(splats, params, out, options=dropped.options)
        return
    needs.of_folder(dropped.path, params, out)
    ingest(dropped.path, params, dropped.options, report=_say_steps(dropped.id)).save(out)


def _say_steps(scene: str, every: float = 5.0) -> Callable[[str, int, int], None]:
    """Steps of ingesting with the time left, to the log and not too often."""
    step, start, said = "", 0.0, 0.0

    def say(what: str, done: int, total: int) -> None:
        nonlocal step, start, said
        now = time.monotonic()
        if what != step:
            step, start = what, now
        elif now - said < every:
            return
        said, left = now, (now - start) / done * (total - done) if done else 0.0
        logging.getLogger("chorus.sources").info(
            "%s: %s %d of %d%s", scene, what, done, total, f", about {left:.0f} s left" if left else ""
        )

    return say


def _render_room(workspace: Workspace, room: ListedRoom, out: Path) -> None:
    from chorus.recipes import needs
    from chorus.sources.rooms import make_generated
    from chorus.sources.sweethome3d import fetch_homes, make_capture

    needs.of_room(workspace.params.capture, out)
    fetch_homes(workspace.store.homes)
    params, homes = workspace.params.capture, workspace.store.homes
    if isinstance(room, GeneratedRoom):
        make_generated(room, params, homes_dir=homes).save(out)
    else:
        make_capture(room, params, homes_dir=homes).save(out)


def _fit(workspace: Workspace, scene: str, out: Path) -> None:
    from chorus.capture import Capture
    from chorus.device import device_of
    from chorus.recipes import needs
    from chorus.recipes.splats import splats_of
    from chorus.splat.artifact import save_gaussians
    from chorus.splat.fit import fit_scene, given_scene

    folder, params = workspace.store.artifact(CAPTURE, scene), workspace.params
    needs.of_fit(folder, params.fit, out)
    views, given = Capture.load(folder), splats_of(folder)
    fitted = given_scene(given, views) if given is not None else None
    if fitted is None:
        fitted = fit_scene(views, params.fit, seed=params.seed, device=device_of(params.device))
    save_gaussians(out, fitted, views)


def _teacher_views(workspace: Workspace, scene: str, out: Path) -> None:
    from chorus.capture import Capture
    from chorus.device import device_of
    from chorus.io import read_scene
    from chorus.teachers.load import load_teachers
    from chorus.teachers.views import make_teacher_views

    store, chosen, device = workspace.store, workspace.params.teachers, device_of(workspace.params.device)
    views = Capture.load(store.artifact(CAPTURE, scene))
    make_teacher_views(
        read_scene(store.artifact(GAUSSIANS, scene)),
        views.cameras,
        load_teachers(chosen, store, device=device),
        out=out,
        storage=chosen.storage,
        error=chosen.storage_error,
        batch=chosen.foundation.batch if chosen.family == "foundation" else 8,
        device=device,
        report=_say_every(10.0, scene),
        masks=views.mask,
    )
    if chosen.family == "foundation" and chosen.foundation.cache:
        from chorus.teachers.foundation.cache import prune

        prune(store.root / chosen.foundation.cache, keep_gigabytes=chosen.foundation.cache_gb)


def _say_every(seconds: float, scene: str) -> Callable:
    """Progress with the time left, to the log and not too often."""
    said = 0.0

    def say(progress) -> None:
        nonlocal said
        if progress.seconds - said >= seconds:
            said = progress.seconds
            logging.getLogger("chorus.teachers").info("%s: %s", scene, progress)

    return say


def _targets(workspace: Workspace, scene: str, out: Path) -> None:
    from chorus.device import device_of
    from chorus.io import read_scene
    from chorus.teachers.lift import make_targets

    store, device = workspace.store, device_of(workspace.params.device)
    gaussians = read_scene(store.artifact(GAUSSIANS, scene))
    make_targets(gaussians, store.artifact(TEACHER_VIEWS, scene), workspace.params.targets, out=out, device=device)
