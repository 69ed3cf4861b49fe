# ruff: noqa: E501
"""docs/claims.md and its figures, from what lies in docs/runs/claims: no workspace, no training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.claims.declared import CLAIMS, QUICK, Claim, Comparison, Side
from benchmarks.claims.runs import ROOT, RUNS, Run, kept
from chorus.errors import InputError
from chorus.evaluate import plots
from chorus.evaluate.claims import Difference, Verdict, compare, measured, together
from chorus.params import Params
from chorus.store import atomic_file

PAGE, PICTURES = ROOT / "docs" / "claims.md", ROOT / "docs" / "claims"
SAID = {"f_miou": "f-mIoU", "miou": "mIoU", "ap25": "AP25", "ap50": "AP50", "r1": "recall at 1"}
FIGURES = {
    "zero_shot": "zero-shot",
    "second": "zero-shot, second domain",
    "linear": "linear probe",
    "decoder": "decoder probe",
    "tune": "fine-tuned",
    "objects": "objects",
    "retrieval": "objects under noise",
}
PROTOCOLS = {
    "zero_shot_raw": "raw",
    "zero_shot": "25-NN vote",
    "zero_shot_instances": "vote in true instances (reads the truth)",
}


@dataclass(frozen=True)
class Found:
    """A comparison, what was found and how many seeds each side has."""

    of: Comparison
    difference: Difference | None
    seeds: tuple[int, int]

    @property
    def verdict(self) -> Verdict:
        return "not run" if self.difference is None else self.difference.verdict(self.of.margin)


class Results:
    """The runs that lie there, of one number of steps. quick: a third of the steps."""

    def __init__(self, params: Params, *, quick: bool, seeds: Sequence[int], runs: Path = RUNS):
        self.params, self.quick, self.seeds, self.folder = params, quick, seeds, runs

    def of(self, side: Side) -> list[dict[str, Any]]:
        """What there is of a side, a file a seed."""
        runs = dict.fromkeys(side.run(self.params, seed=seed, quick=self.quick) for seed in self.seeds)
        found = [kept(run, self.params, self.folder) for run in runs]
        return [each for each in found if each is not None]

    def compared(self, one: Comparison) -> Found:
        ours, other = self.of(one.ours), self.of(one.other)
        seeds = len(ours), len(other)
        if not ours or not other:
            return Found(one, None, seeds)
        names = ours[0]["names"]
        sides = (
            [each["figures"][key] for each in found]
            for found, key in ((ours, one.figure), (other, one.other_figure or one.figure))
        )
        options = {"draws": self.params.evaluate.bootstrap, "seed": self.params.seed}
        return Found(one, compare(*sides, one.measure, names, **options), seeds)


def write(params: Params, *, quick: bool, seeds: Sequence[int], runs: Path = RUNS, page: Path = PAGE) -> dict[str, str]:
    """Write the page and a picture of each claim that was run; claim -> verdict. Raises InputError where no run lies
    there."""
    results = Results(params, quick=quick, seeds=seeds, runs=runs)
    found = {claim.letter: [results.compared(one) for one in claim.comparisons] for claim in CLAIMS}
    verdicts = {letter: together([each.verdict for each in rows]) for letter, rows in found.items()}
    if set(verdicts.values()) == {"not run"}:
        raise InputError(runs, expected="figures of runs", got="none", fix="Train: make claims.")
    claims = sorted(CLAIMS, key=lambda claim: claim.letter)
    pictures = page.parent / page.stem
    parts = [_head(results, verdicts), _protocols(results)]
    for claim in claims:
        picture = pictures / f"{claim.letter}.png"
        shown = _draw(found[claim.letter], picture)
        parts.append(_section(claim, found[claim.letter], verdicts[claim.letter], results, picture if shown else None))
    with atomic_file(page) as path:
        path.write_text("\n\n".join(parts) + "\n")
    return verdicts


def _head(results: Results, verdicts: dict[str, str]) -> str:
    rows = [
        f"| [{claim.letter}](#{_anchor(claim)}) | {claim.says} | **{verdicts[claim.letter]}** |"
        for claim in sorted(CLAIMS, key=lambda claim: claim.letter)
    ]
    steps = results.params.distill.steps // (QUICK if results.quick else 1)
    short = (
        f", a third of the usual {results.params.distill.steps}: the longer run has not been made"
        if results.quick
        else ""
    )
    command = f"make claims{' QUICK=1' if results.quick else ''}"
    return f"""# The paper's claims at this scale

Written by `{command}`, which trains what has no figures in [`runs/claims`](runs/claims) yet; `python -m benchmarks.claims page`
makes this page again from what lies there, in seconds. Trainings take {steps} steps{short}. Rooms are the validation
rooms, on which choices were made too; held-out rooms are scored once a release (`--split held_out`).

An interval is the middle 95 % over homes, their rooms, and seeds, paired where both sides see the same rooms, and widened
for the number of homes. There are two validation homes: in drawn worlds where homes differ no more than rooms it holds the
truth as often as it says, and less often where they differ more (`tests/unit/evaluate/test_claims.py`). A comparison is
*shown* or *refuted* where the interval is all on one side, else *not settled*; a claim is shown when all of its comparisons
are, and refuted when one is. Numbers of the paper are of other scenes, other teachers and an encoder eighty times as large: they stand
beside ours and are not comparable with them.

| claim | | verdict |
|---|---|---|
""" + "\n".join(rows)


def _anchor(claim: Claim) -> str:
    kept = "".join(letter for letter in claim.says.lower() if letter.isalnum() or letter in " -")
    return f"{claim.letter}-{kept.replace(' ', '-')}"


def _protocols(results: Results) -> str:
    """Zero-shot f-mIoU of every encoder with words in each protocol."""
    rows = []
    for side in _sides():
        files = results.of(side)
        if not files or "zero_shot" not in files[0]["figures"]:
            continue
        cells = [_mean(files, key, "f_miou") for key in PROTOCOLS]
        rows.append(f"| {side.said} | {len(files)} | {' | '.join(cells)} |")
    head = f"| encoder | seeds | {' | '.join(PROTOCOLS.values())} |\n|---|---|---|---|---|"
    return "\n".join(["## Protocols", "", "Zero-shot f-mIoU, percent, all names.", "", head, *rows])


def _sides() -> Iterable[Side]:
    """Encoders without a probe, each once."""
    every = (side for claim in CLAIMS for one in claim.comparisons for side in (one.ours, one.other))
    return {side.encoder: side for side in every if side.probe is None}.values()


def _mean(files: Sequence[dict], key: str, measure: str) -> str:
    import numpy as np

    values = []
    for each in files:
        figure = each["figures"][key]
        values.append(float(measured(figure, measure, each["names"], np.ones((1, len(figure["rooms"]))))[0]))
    return f"{np.mean(values):.1f}"


def _section(claim: Claim, rows: Sequence[Found], verdict: str, results: Results, picture: Path | None) -> str:
    lines = [f"## {claim.letter} {claim.says}", "", f"**{verdict}**. The paper: {claim.paper}.", ""]
    lines += ["| figure | ours | | other | | difference, 95 % | seeds | |", "|---|---|---|---|---|---|---|---|"]
    lines += [_row(each) for each in rows]
    lines += ["", _cost(claim, results)]
    if claim.absent:
        lines += ["", f"Not run, and no comparison above speaks to it: {claim.absent}."]
    if picture is not None:
        lines += ["", f"![Differences of claim {claim.letter}]({picture.parent.name}/{picture.name})"]
    return "\n".join(lines)


def _row(found: Found) -> str:
    one, difference = found.of, found.difference
    title = f"{FIGURES[one.figure]} {SAID[one.measure]}"
    rule = f", no less but for {one.margin:g}" if one.margin is not None else ""
    ours, other, lead = ("-", "-", "-")
    if difference is not None:
        ours, other = f"{difference.ours:.1f}", f"{difference.other:.1f}"
        lead = f"{difference.mean:+.1f} [{difference.low:+.1f}, {difference.high:+.1f}]"
    seeds = " / ".join(map(str, found.seeds))
    return f"| {title}{rule} | {one.ours.said} | {ours} | {one.other.said} | {other} | {lead} | {seeds} | {found.verdict} |"


def _cost(claim: Claim, results: Results) -> str:
    """Trainings, steps and CPU hours of what was run for a claim."""
    sides = {side for one in claim.comparisons for side in (one.ours, one.other)}
    planned: dict[Run, None] = {}
    for side in sides:
        planned |= dict.fromkeys(side.run(results.params, seed=seed, quick=results.quick) for seed in results.seeds)
    files = [found for run in planned if (found := kept(run, results.params, results.folder)) is not None]
    trained = [each for each in files if each["seconds"].get("cpu")]
    hours = sum(each["seconds"]["cpu_all"] for each in files) / 3600
    steps = sum(each["run"]["steps"] for each in trained)
    return (
        f"{len(files)} of {len(planned)} runs, {len(trained)} of them trainings of {steps} steps in all, "
        f"{hours:.2f} CPU hours with scoring; runs are shared between claims."
    )


def _draw(rows: Sequence[Found], path: Path) -> bool:
    """The differences and their intervals; nothing where none was found."""
    shown = {}
    for each in rows:
        if each.difference is not None:
            title = f"{each.of.ours.said} - {each.of.other.said}\n{FIGURES[each.of.figure]} {SAID[each.of.measure]}"
            shown[title] = (each.difference.mean, each.difference.low, each.difference.high)
    if not shown:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = plots.intervals(shown, x="points of difference, 95 %")
    with atomic_file(path) as out:
        plots.save_png(figure, out)
    plots.close(figure)
    return True
