"""Trainings that differ from the encoder's by their seed alone, as runs nested in its own."""

import math
import statistics
from collections.abc import Mapping, Sequence

from chorus.recipes import seeds
from chorus.recipes.models import VARIANTS
from chorus.stages import ENCODER
from chorus.store import hash_folder, manifest_of
from chorus.workspace import Workspace
from orchestration.tracking import trainings
from orchestration.tracking.live import followed

Figures = Mapping[str, Mapping[str, float]]  # variant -> name -> percent


def train(workspace: Workspace, others: Sequence[int]) -> dict[str, dict[str, float]]:
    """Train with each of these seeds what the encoder was trained on, score it on the validation rooms, and log it as a
    run nested in the encoder's; what is there already is not done again.

    Returns variant -> what its run is told of all seeds, its own among them: how many, mean and standard deviation of
    each figure. Raises what ``chorus.recipes.seeds`` raises.
    """
    own = workspace.params.seed
    found = {own: seeds.scored(workspace, seeds.trained(workspace, own))}
    parents = _parents(workspace, found[own])
    for seed in others:
        if seed not in found:
            found[seed] = _nested(workspace, seed, parents)
    table = {variant: _together([figures[variant] for figures in found.values()]) for variant in VARIANTS}
    for variant, row in table.items():
        _log(workspace, parents[variant], {f"seeds.{name}": value for name, value in row.items()})
        trainings.client(workspace.store).set_tag(parents[variant], "chorus.seeds", ", ".join(map(str, sorted(found))))
    return table


def _parents(workspace: Workspace, figures: Figures) -> dict[str, str]:
    """Variant -> the run of the encoder's own training, told what it scores; logged now where MLflow knew none."""
    folder = workspace.store.artifact(ENCODER)
    manifest, runs = manifest_of(folder), {}
    for variant in VARIANTS:
        runs[variant] = trainings.log_training(
            workspace.store,
            workspace.params,
            name=variant,
            folder=folder / variant,
            content=manifest["hash"],
            inputs=manifest["inputs"],
        )
        _log(workspace, runs[variant], _validation(figures[variant]))
    return runs


def _nested(workspace: Workspace, seed: int, parents: Mapping[str, str]) -> Figures:
    """Train and log one seed; what it scores."""
    store, own = workspace.store, seeds.with_seed(workspace, seed)
    with followed(store, own.params, {name: store.training(name) for name in VARIANTS}, parents) as runs:
        folder = seeds.trained(workspace, seed)
    figures, inputs = seeds.scored(workspace, folder), manifest_of(store.artifact(ENCODER))["inputs"]
    for variant in VARIANTS:
        run = trainings.log_training(
            store,
            own.params,
            name=variant,
            folder=folder / variant,
            content=hash_folder(folder / variant),
            run=runs.get(variant),
            inputs=inputs,
            parent=parents[variant],
        )
        trainings.client(store).set_tag(run, "chorus.seed", str(seed))
        trainings.client(store).update_run(run, name=f"{variant}, seed {seed}")
        _log(workspace, run, _validation(figures[variant]))
    return figures


def _validation(figures: Mapping[str, float]) -> dict[str, float]:
    return {f"validation.{name}": value for name, value in figures.items()}


def _together(found: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """How many, and of each figure the mean and the sample's standard deviation (none of a single seed)."""
    row: dict[str, float] = {"count": float(len(found))}
    for name in found[0]:
        values = [figures[name] for figures in found]
        row[f"{name}.mean"] = statistics.fmean(values)
        if len(values) > 1:
            row[f"{name}.std"] = statistics.stdev(values)
    return row


def _log(workspace: Workspace, run: str, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        if math.isfinite(value):
            trainings.client(workspace.store).log_metric(run, name, value)
