"""The report: every figure of a split nothing was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chorus.errors import StoreError
from chorus.recipes.models import hashes, is_ready, ready
from chorus.recipes.recipe import Recipe, hash_of
from chorus.recipes.seconds import seconds_by_stage
from chorus.stages import ADAPTED, CAPTURE, ENCODER, EVALUATION, TARGETS
from chorus.workspace import Workspace

HELD_OUT, VALIDATION = "held_out", "validation"


def evaluation(workspace: Workspace) -> Recipe:
    """The report on the held-out homes, with the validation figures models are compared by.

    The seconds it shows are no input: a rerun for them alone is not worth it. Raises StoreError naming the held-out or
    validation rooms without current targets: a test set is never silently smaller.
    """
    rooms = rooms_of(workspace, HELD_OUT)
    store, params = workspace.store, workspace.params
    every = [name for names in rooms.values() for name in names]
    return Recipe(
        store=store,
        stage=EVALUATION,
        make=lambda out: write_evaluation(workspace, rooms, HELD_OUT, out),
        params={"evaluate": params.evaluate, "withheld": params.teachers.withheld, "seed": params.seed},
        inputs={
            "encoder": hash_of(store, ENCODER),
            "adapted": hash_of(store, ADAPTED),
            **hashes(workspace, every),
            **{f"{name}/capture": hash_of(store, CAPTURE, name) for name in every},
        },
    )


def rooms_of(workspace: Workspace, split: str) -> dict[str, list[str]]:
    """The rooms of a report on a split, by what they are for. Raises StoreError naming those of the split without
    current targets; training rooms without are left out."""
    return {
        "held_out": all_ready(workspace, workspace.rooms(split=split, domain="main"), split),
        "probe_train": ready(workspace, workspace.rooms(split="train", domain="main")),
        "adaptation": all_ready(workspace, workspace.rooms(split=split, domain="second"), split),
        "adapted_on": ready(workspace, workspace.rooms(split="train", domain="second")),
    }


def all_ready(workspace: Workspace, names: Sequence[str], split: str) -> list[str]:
    """The names themselves. Raises StoreError naming the ones whose targets are missing, stale or failed."""
    missing = [name for name in names if not is_ready(workspace, name)]
    if missing:
        raise StoreError(
            f"{TARGETS} of {', '.join(missing)}",
            expected=f"current targets of all {len(names)} {split} rooms",
            got=f"none of {len(missing)}",
            fix="Make them first: a test set is never silently smaller.",
        )
    return list(names)


def write_evaluation(workspace: Workspace, rooms: dict[str, list[str]], split: str, out: Path) -> None:
    """Measure and write metrics.json, report.html and plots/ into a folder."""
    from chorus.evaluate.collect import Rooms, collect
    from chorus.evaluate.report import write_report

    store, params = workspace.store, workspace.params
    seconds = seconds_by_stage(store, workspace.scenes())
    write_report(out, collect(store, params, Rooms(**rooms), seconds=seconds), params.evaluate)
