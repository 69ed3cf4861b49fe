"""The encoder's training once more with other seeds, rooms and all else equal: what of its figures is chance."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from chorus.errors import InputError, StoreError
from chorus.json_files import read_json
from chorus.recipes import models
from chorus.recipes.recipe import hash_of
from chorus.recipes.reports import validation_metrics
from chorus.stages import ENCODER
from chorus.whole import alone, atomic_folder
from chorus.workspace import Workspace

METHODS = {"splats": "student", "points": "points"}  # variant -> what reports call it
FIGURES = ("f_miou", "f_macc")


def with_seed(workspace: Workspace, seed: int) -> Workspace:
    """The same workspace, whose trainings draw from this seed."""
    return dataclasses.replace(workspace, params=dataclasses.replace(workspace.params, seed=seed))


def trained(workspace: Workspace, seed: int) -> Path:
    """The folder of both variants, trained with this seed on the encoder's rooms: now, unless it lies there; the
    encoder's own folder for its own seed. A killed run goes on from its checkpoint.

    Raises InputError for a seed below zero, StoreError where the encoder is absent or answers to other parameters or
    rooms than today's: then more than the seed would differ.
    """
    if seed < 0:
        raise InputError("seed", expected="0 or above", got=seed)
    content, recipe = hash_of(workspace.store, ENCODER), models.encoder(workspace)
    if not recipe.is_current:
        fix = "Materialize it first: more than the seed would differ."
        raise StoreError(ENCODER, expected="the encoder of today's parameters and rooms", got="an older one", fix=fix)
    if seed == workspace.params.seed:
        return recipe.path
    folder = workspace.store.state / "seeds" / content[:16] / f"s{seed}"
    with alone(workspace.store.lock(ENCODER)):
        if not folder.is_dir():
            rooms = read_json(recipe.path / "splats" / "config.json")["notes"]["scenes"]
            with atomic_folder(folder) as out:
                models.train_variants(with_seed(workspace, seed), rooms, out)
    return folder


def scored(workspace: Workspace, encoder: Path) -> dict[str, dict[str, float]]:
    """Variant -> f-mIoU and f-mAcc of the taught names on the validation rooms, in percent. Raises StoreError where one
    of these has no current targets."""
    found = validation_metrics(workspace, encoder)["zero_shot"]
    return {variant: {name: found[method][name] for name in FIGURES} for variant, method in METHODS.items()}
