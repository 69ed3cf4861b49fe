"""What more rooms are worth: ``python -m benchmarks.scaling run``, then ``draw``.

Students of splats and of points are distilled on so many rooms - designed by people (furnished anew where more are
asked for than there are), drawn by a program, or half of each - with steps in proportion, and scored on the validation
rooms. Every training leaves docs/runs/scaling-KIND-ROOMS-sSEED.json and is not done again; one that was killed goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

import tyro

from benchmarks.table import put_into
from chorus.errors import InputError
from chorus.json_files import read_json, write_json
from chorus.scene_list import GeneratedRoom
from chorus.store import atomic_file, atomic_folder
from chorus.workspace import Workspace

ROOT = Path(__file__).parents[1]
RUNS = ROOT / "docs" / "runs"
FIGURE = ROOT / "docs" / "scaling.png"
Kind = Literal["designed", "generated", "both"]
KINDS: tuple[Kind, ...] = ("designed", "generated", "both")
VARIANTS = {"student": "splats", "points": "points"}
PROBED = 24  # designed rooms whose labels a run's linear probe reads, the same in every run
NAMES = "zero_shot_all"  # the block that is drawn: over all names, which are the same whatever was trained on


@dataclass(frozen=True)
class Run:
    """One training. rooms: how many; seed: of the student alone."""

    kind: Kind
    rooms: int
    seed: int

    @property
    def name(self) -> str:
        return f"scaling-{self.kind}-{self.rooms}-s{self.seed}"

    @property
    def designed(self) -> int:
        return {"designed": self.rooms, "generated": 0, "both": self.rooms // 2}[self.kind]

    def of(self, workspace: Workspace) -> list[str]:
        """The rooms it trains on: the first of each kind, so that more rooms hold the fewer."""
        listed = [room for room in workspace.listed().values() if (room.split, room.domain) == ("train", "main")]
        drawn = [room.id for room in listed if isinstance(room, GeneratedRoom)]
        designed = [room.id for room in listed if not isinstance(room, GeneratedRoom)]
        return designed[: self.designed] + drawn[: self.rooms - self.designed]


def run(
    rooms: tuple[int, ...] = (24, 100, 400),
    kinds: tuple[Kind, ...] = KINDS,
    seeds: tuple[int, ...] = (0, 1, 2),
    steps_per_room: float = 37.5,
    folder: Path = ROOT / ".state" / "scaling",
    runs: Path = RUNS,
    jobs: int = 2,
) -> None:
    """Make the rooms in a workspace of their own, then train and score every combination that has no figures yet.

    Args:
        rooms: How many rooms to train on.
        kinds: Whose rooms: designed, generated, both.
        seeds: Of the student; rooms and targets are the same for all.
        steps_per_room: Of a training; 37.5 are those of params.yaml.
        folder: The workspace. Parameters are this one's, CHORUS_PARAMS laid over them.
        runs: Where figures are kept.
        jobs: Processes that make rooms.
    """
    from chorus.recipes import chain, models
    from chorus.recipes.trial import lay_out

    planned = [Run(kind, count, seed) for count, kind, seed in product(rooms, kinds, seeds)]
    todo = [each for each in planned if not (runs / f"{each.name}.json").exists()]
    print(f"{len(planned) - len(todo)} of {len(planned)} trainings are in {runs} already", flush=True)
    if not todo:
        return
    most = max(max(each.designed for each in planned), PROBED)
    drawn = max(each.rooms - each.designed for each in planned)
    workspace = lay_out(Workspace.open(), folder, designed=most, generated=drawn)
    failed = chain.teach(workspace, (), jobs=jobs)
    if failed:
        raise InputError("scaling", expected="targets of every room", got=f"none of {', '.join(sorted(failed))}")
    for each in todo:
        names = models.ready(workspace, each.of(workspace))
        figures = _train(workspace, each, names, steps=round(steps_per_room * len(names)))
        with atomic_file(runs / f"{each.name}.json") as path:
            write_json(path, figures)
        scores = (f"{shown} {figures['validation'][NAMES][key]['f_miou']:.1f}" for key, shown in VARIANTS.items())
        print(f"{each.name}: {len(names)} rooms, f-mIoU {', '.join(scores)}", flush=True)


def _train(workspace: Workspace, each: Run, names: Sequence[str], *, steps: int) -> dict[str, Any]:
    """The figures of a training, done now unless its models lie there from a run killed since."""
    from chorus.recipes.models import train_variants
    from chorus.recipes.record import run_record
    from chorus.recipes.reports import validation_metrics
    from chorus.recipes.seeds import with_seed

    params = replace(workspace.params, distill=replace(workspace.params.distill, steps=steps))
    own = with_seed(replace(workspace, params=params), each.seed)
    trained = workspace.store.root / "runs" / each.name
    begun = time.perf_counter()
    if not trained.is_dir():
        with atomic_folder(trained) as out:
            train_variants(own, names, out)
    seconds = time.perf_counter() - begun
    figures = run_record(own, trained, validation_metrics(own, trained, probed=PROBED))
    figures |= {"curve": {"kind": each.kind, "rooms": len(names)}}
    figures["seconds"]["encoder"] = round(seconds, 1)
    return figures


def draw(out: Path = FIGURE, runs: Path = RUNS, markdown: Path | None = None) -> None:
    """The curve of what lies in docs/runs: a picture, and its table.

    Args:
        out: The picture.
        runs: Where figures are kept.
        markdown: Also write the table there, between the marks of a benchmark called scaling.
    """
    from chorus.evaluate import plots

    table = points(read_json(path) for path in sorted(runs.glob("scaling-*.json")))
    if not table:
        fix = "Train: python -m benchmarks.scaling run."
        raise InputError(runs, expected="figures of trainings", got="none", fix=fix)
    text = "\n".join(
        ["| rooms | kind | seeds | splats | points | lifted teacher |", "|---|---|---|---|---|---|", *_rows(table)]
    )
    print(text)
    if markdown is not None:
        put_into(markdown, text, "scaling")
    lifted = [value for found in table.values() for value in found["lifted"]]
    twins = {f"points, {kind}": f"splats, {kind}" for kind in KINDS}
    y = "f-mIoU, %, all names"
    figure = plots.spread(lines(table), x="rooms trained on", y=y, level=sum(lifted) / len(lifted), twins=twins)
    with atomic_file(out) as path:
        plots.save_png(figure, path)
    plots.close(figure)
    print(f"{out}: {len(table)} points")


def _rows(table: dict[tuple[int, str], dict[str, list[float]]]) -> Iterable[str]:
    for (count, kind), found in sorted(table.items()):
        cells = " | ".join(_mean(found[method]) for method in (*VARIANTS, "lifted"))
        yield f"| {count} | {kind} | {len(found['student'])} | {cells} |"


def lines(table: dict[tuple[int, str], dict[str, list[float]]]) -> dict[str, dict[float, list[float]]]:
    """Variant and kind -> rooms -> f-mIoU of every seed."""
    found: dict[str, dict[float, list[float]]] = {}
    for (count, kind), figures in sorted(table.items(), key=lambda item: (item[0][1], item[0][0])):
        for method, shown in VARIANTS.items():
            found.setdefault(f"{shown}, {kind}", {})[count] = figures[method]
    return found


def points(runs: Iterable[dict[str, Any]]) -> dict[tuple[int, str], dict[str, list[float]]]:
    """(rooms, kind) -> method -> f-mIoU of every seed."""
    table: dict[tuple[int, str], dict[str, list[float]]] = {}
    for found in runs:
        place = table.setdefault((found["curve"]["rooms"], found["curve"]["kind"]), {})
        for method in (*VARIANTS, "lifted"):
            place.setdefault(method, []).append(found["validation"][NAMES][method]["f_miou"])
    return table


def _mean(values: Sequence[float]) -> str:
    spread = f" ({min(values):.1f} to {max(values):.1f})" if max(values) > min(values) else ""
    return f"{sum(values) / len(values):.1f}{spread}"


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"run": run, "draw": draw})
