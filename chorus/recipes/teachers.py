"""The embedded teachers' heads: trained on the training homes, or a copy of the ones that ship with the package."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

from chorus.errors import StoreError
from chorus.params import Params
from chorus.recipes.recipe import Recipe, hash_of
from chorus.stages import CAPTURE, EMBEDDED
from chorus.store import hash_folder
from chorus.workspace import Workspace

NOT_OURS = ("family", "dir", "storage", "storage_error", "foundation")  # parameters the heads' training does not read


def embedded(workspace: Workspace, *, retrain: bool = False) -> Recipe:
    """The trained heads when asked for or when they are there and up to date, else the shipped ones."""
    try:
        trained = _trained(workspace)
    except StoreError:  # captures are missing: nothing can have been trained on them
        if retrain:
            raise
        return _shipped(workspace)
    return trained if retrain or trained.is_current else _shipped(workspace)


def _trained(workspace: Workspace) -> Recipe:
    # Both domains: a teacher is a broad model of images; what has yet to meet the second domain is the encoder.
    names = [name for domain in ("main", "second") for name in workspace.rooms(split="train", domain=domain)]
    params = workspace.params
    own = {name: value for name, value in dataclasses.asdict(params.teachers).items() if name not in NOT_OURS}
    return Recipe(
        store=workspace.store,
        stage=EMBEDDED,
        device=params.device,
        make=lambda out: _train(workspace, names, out),
        params={**own, "seed": params.seed},
        inputs={name: hash_of(workspace.store, CAPTURE, name) for name in names},
    )


def _train(workspace: Workspace, names: list[str], out: Path) -> None:
    from chorus.capture import Capture
    from chorus.device import device_of
    from chorus.recipes import needs
    from chorus.teachers.embedded.train import train_embedded

    store, params = workspace.store, workspace.params
    needs.of_teachers(store, names)
    captures = (Capture.load(store.artifact(CAPTURE, name)) for name in names)  # one in memory at a time
    device = device_of(params.device)
    folder = store.training("embedded")
    train_embedded(captures, params.teachers, out=out, seed=params.seed, device=device, state=folder)


def _shipped(workspace: Workspace) -> Recipe:
    from chorus.teachers.embedded import weights

    params = workspace.params
    asked = params.teachers.family == "embedded"  # which names teachers nobody asks were spared does not matter
    return Recipe(
        store=workspace.store,
        stage=EMBEDDED,
        make=lambda out: _copy(weights.SHIPPED, params, out),
        params={"withheld": sorted(params.teachers.withheld)} if asked else {},
        inputs={"shipped": hash_folder(weights.SHIPPED)},
    )


def _copy(folder: Path, params: Params, out: Path) -> None:
    """Copy the shipped heads. Raises StoreError when other class names were withheld from them than params.yaml
    says."""
    from chorus.teachers.embedded.weights import provenance

    withheld = set(provenance(folder)["training"]["withheld"])
    if params.teachers.family == "embedded" and withheld != set(params.teachers.withheld):
        raise StoreError(
            EMBEDDED,
            expected=f"shipped heads that never saw {', '.join(sorted(params.teachers.withheld))}",
            got=f"heads that never saw {', '.join(sorted(withheld))}",
            fix="Train them: chorus teach --retrain (in the UI: retrain: true).",
        )
    for path in sorted(folder.iterdir()):
        if path.is_file():
            shutil.copyfile(path, out / path.name)
