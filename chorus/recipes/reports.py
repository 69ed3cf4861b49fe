"""The report: every figure of a split nothing was trained on."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chorus.errors import StoreError
from chorus.json_files import read_json, write_json
from chorus.recipes.models import hashes, is_ready, ready
from chorus.recipes.recipe import Recipe, hash_of
from chorus.recipes.seconds import seconds_by_stage
from chorus.stages import ADAPTED, CAPTURE, ENCODER, EVALUATION, TARGETS
from chorus.workspace import Workspace

if TYPE_CHECKING:
    from chorus.evaluate.rooms import Rooms, Split

VALIDATION = "validation.json"  # of the report's folder: the figures models and experiments are compared by


def evaluation(workspace: Workspace) -> Recipe:
    """The report on the held-out homes, with the validation figures models are compared by.

    The seconds it shows are no input: a rerun for them alone is not worth it. Raises StoreError naming the held-out or
    validation rooms without current targets: a test set is never silently smaller.
    """
    rooms = rooms_of(workspace, "held_out")
    store, params = workspace.store, workspace.params
    two_domains = bool(rooms.adaptation or rooms.adapted_on)  # with one there is nothing to adapt to
    return Recipe(
        store=store,
        stage=EVALUATION,
        device=workspace.params.device,
        make=lambda out: write_evaluation(workspace, rooms, out),
        params={"evaluate": params.evaluate, "withheld": params.teachers.withheld, "seed": params.seed},
        inputs={
            "encoder": hash_of(store, ENCODER),
            **({"adapted": hash_of(store, ADAPTED)} if two_domains else {}),
            **hashes(workspace, rooms.every()),
            **{f"{name}/capture": hash_of(store, CAPTURE, name) for name in rooms.every()},
        },
    )


def rooms_of(workspace: Workspace, split: Split) -> Rooms:
    """The rooms of a report on a split. Raises StoreError naming those to be scored that have no current targets;
    training rooms without are left out."""
    from chorus.evaluate.rooms import Rooms

    listed = Rooms.listed(workspace.listed().values(), split=split)
    missing = not_ready(workspace, listed)
    if missing:
        raise StoreError(
            f"{TARGETS} of {', '.join(missing)}",
            expected=f"current targets of all {len(listed.scored())} rooms to be scored",
            got=f"none of {len(missing)}",
            fix="Make them first: chorus teach, or materialize them. A test set is never silently smaller.",
        )
    adapted_on = ready(workspace, listed.adapted_on) if listed.adapted_on else []  # a scene list may have one domain
    return dataclasses.replace(listed, probe_train=ready(workspace, listed.probe_train), adapted_on=adapted_on)


def not_ready(workspace: Workspace, rooms: Rooms) -> list[str]:
    """The rooms to be scored whose targets are missing, stale or were held back by a failed check."""
    return [name for name in rooms.scored() if not is_ready(workspace, name)]


def validation_metrics(workspace: Workspace, encoder: Path, *, probed: int | None = None) -> dict[str, Any]:
    """metrics.json of the validation rooms for an encoder beside the chain's own, without the 2D teachers.

    encoder: a folder with a model of each variant; probed: how many training rooms the linear probe reads, all when
    None. Raises StoreError where a room to be scored has no current targets."""
    from chorus.evaluate.collect import collect
    from chorus.evaluate.measure import measure

    rooms = rooms_of(workspace, "validation")
    rooms = dataclasses.replace(rooms, probe_train=rooms.probe_train[:probed])
    inputs = collect(workspace.store, workspace.params, rooms, teachers=False, encoder=encoder)
    return measure(inputs, workspace.params.evaluate)


def write_evaluation(workspace: Workspace, rooms: Rooms, out: Path) -> None:
    """Measure and write metrics.json, report.html, plots/ and, beside a held-out test, validation.json into a
    folder."""
    from chorus.evaluate.collect import collect
    from chorus.evaluate.report import write_report
    from chorus.recipes import needs

    needs.of_report(workspace.store, rooms, out)
    store, params = workspace.store, workspace.params
    seconds = seconds_by_stage(store, workspace.scenes())
    write_report(out, collect(store, params, rooms, seconds=seconds), params.evaluate)
    if rooms.split == "held_out":
        figures = read_json(out / "metrics.json")["validation"]
        write_json(out / VALIDATION, {name: row for name, row in figures.items() if isinstance(row, dict)})
