"""The chain without a workflow tool: the recipes of many scenes and of the trainings, one after another, with progress.

No check stands between two stages here; the workflow has them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chorus.errors import ChorusError, InputError, StoreError
from chorus.recipes import models, reports, scenes, teachers
from chorus.recipes.recipe import Recipe
from chorus.stages import PARTS
from chorus.store import Artifact, atomic_folder
from chorus.train.pool import Pool
from chorus.train.processes import KILLED, begin_worker
from chorus.train.progress import shown
from chorus.train.world import started
from chorus.whole import scratch_folder
from chorus.workspace import Workspace

FITTED, TAUGHT = PARTS[:2], PARTS[2:]  # before and after the teachers are there


def teach(
    workspace: Workspace, names: Sequence[str], *, retrain: bool = False, jobs: int = 2, console: Console | None = None
) -> dict[str, str]:
    """Captures, Gaussians, teachers, teacher views and targets of these scenes, of all when none is named; what is up
    to date is left alone. retrain: the embedded teachers, on the training rooms' captures.

    Returns scene -> error, in one line, of those that could not be made; the others are done. Raises ChorusError when
    there is no such scene or the teachers cannot be made.
    """
    chosen = workspace.chosen(names)
    with _bars(console) as bars:
        failed = _scenes(workspace, chosen, FITTED, jobs, bars)
        if workspace.params.teachers.family == "embedded":
            with shown(bars, {"embedded": workspace.store.training("embedded")}):
                teachers.embedded(workspace, retrain=retrain).run()
        left = [name for name in chosen if name not in failed]
        return failed | _scenes(workspace, left, TAUGHT, jobs, bars)


def distill(workspace: Workspace, *, ranks: int | None = None, console: Console | None = None) -> Artifact:
    """The encoder of the training rooms whose targets are there. ranks: instead of distill.ranks. Raises StoreError
    when no room is ready."""
    ranks = _ranks(ranks, workspace.params.distill.ranks)
    params = replace(workspace.params, distill=replace(workspace.params.distill, ranks=ranks))
    workspace = replace(workspace, params=params)
    return _train(workspace, models.encoder(workspace), models.VARIANTS, console)


def adapt(workspace: Workspace, *, ranks: int | None = None, console: Console | None = None) -> Artifact:
    """The encoder, adapted to the second domain's training rooms. ranks: instead of adapt.ranks. Raises StoreError when
    it or they are absent."""
    ranks = _ranks(ranks, workspace.params.adapt.ranks)
    params = replace(workspace.params, adapt=replace(workspace.params.adapt, ranks=ranks))
    workspace = replace(workspace, params=params)
    return _train(workspace, models.adapted_encoder(workspace), ("adapted",), console)


def adapt_to(
    workspace: Workspace,
    names: Sequence[str],
    out: Path,
    *,
    base: Path,
    tune: str = "lora",
    ranks: int | None = None,
    console: Console | None = None,
) -> None:
    """A model adapted to scenes of one's own, into a folder that takes its place when all is done; what the scenes lack
    is made first. base: folder of the model of splats to start from.

    Raises StoreError when a scene could not be made ready, and what a training raises.
    """
    if started().size > 1:
        raise InputError("adapt", expected="--nproc in place of torchrun, for scenes of one's own", got="torchrun")
    failed = teach(workspace, names, console=console)
    if failed:
        got = "; ".join(f"{name}: {error}" for name, error in sorted(failed.items()))
        raise StoreError("adapt", expected="targets of every scene named", got=got)
    params = replace(workspace.params.adapt, tune=tune, ranks=_ranks(ranks, workspace.params.adapt.ranks))
    workspace = replace(workspace, params=replace(workspace.params, adapt=params))
    folders = {"adapted": workspace.store.training("adapted")}
    with atomic_folder(out) as made, _bars(console) as bars, shown(bars, folders):
        models.adapt(workspace, names, made, base=base)


def evaluate(workspace: Workspace, split: Literal["held_out", "validation"]) -> Path:
    """The report of a split, data/reports/SPLIT; choices are made on the validation rooms. Returns its folder. Raises
    StoreError naming rooms of the split without current targets."""
    if split == "held_out":
        return reports.evaluation(workspace).run().path
    rooms = reports.rooms_of(workspace, split)
    with atomic_folder(workspace.store.report(split)) as out:
        reports.write_evaluation(workspace, rooms, out)
    return workspace.store.report(split)


def _ranks(asked: int | None, usual: int) -> int:
    """How many ranks share a step. Raises InputError for none, and for another number than torchrun has started."""
    there = started().size
    ranks = asked or (there if there > 1 else usual)
    if ranks < 1 or there not in (1, ranks):
        got = f"{there} that torchrun started" if there > 1 else asked
        raise InputError("--nproc", expected=f"{asked} ranks" if there > 1 else "1 or more", got=got)
    return ranks


def _train(workspace: Workspace, recipe: Recipe, names: Sequence[str], console: Console | None) -> Artifact:
    """Under torchrun rank 0 makes the artifact and the others lend a hand."""
    try:
        if started().writes:
            folders = {name: workspace.store.training(name) for name in names}
            with _bars(console) as bars, shown(bars, folders):
                return recipe.run()
        if not recipe.is_current:
            with scratch_folder("rank") as nothing:
                recipe.make(nothing)
        return Artifact(recipe.path, "", fresh=False)
    finally:
        if started().size > 1:
            from chorus.train.ranks import leave

            leave()


def _scenes(
    workspace: Workspace, names: Sequence[str], parts: Sequence[str], jobs: int, bars: Progress
) -> dict[str, str]:
    """Make these parts of every scene, ``jobs`` scenes at a time; scene -> error of those that fail."""
    failed: dict[str, str] = {}
    task = bars.add_task(", ".join(parts), total=len(names))
    with Pool(jobs, begin_worker, quiet=True) as pool:
        for name, error in pool.work(partial(_make, workspace=workspace, parts=parts), names):
            error = KILLED if error is None else error
            if error:
                failed[name] = error
                bars.console.print(f"  {name}: {error}", markup=False, soft_wrap=True)
            bars.advance(task)
    return failed


def _make(scene: str, workspace: Workspace, parts: Sequence[str]) -> str:
    """Empty when all went well, else the error in one line."""
    try:
        for part in parts:
            getattr(scenes, part)(workspace, scene).run()
    except ChorusError as error:
        return str(error)
    return ""


def _bars(console: Console | None) -> Progress:
    console = console or Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(24), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
