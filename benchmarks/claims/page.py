# ruff: noqa: E501
"""docs/claims.md and its figures, from what lies in docs/runs/claims: no workspace, no training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.claims.curves import CURVES, draw
from benchmarks.claims.declared import CLAIMS, Claim, Side, sides_of
from benchmarks.claims.results import Found, Results, values, verdict_of
from benchmarks.claims.runs import ROOT, RUNS
from benchmarks.claims.storage import FILE, sentence
from chorus.encoder.shipped import RUN
from chorus.errors import InputError
from chorus.evaluate import plots
from chorus.evaluate.claims import Difference
from chorus.json_files import read_json
from chorus.params import Params
from chorus.store import atomic_file

PAGE = ROOT / "docs" / "claims.md"
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
ABOUT_PROTOCOLS = """Zero-shot f-mIoU, percent, all names. Lifted labels and the model that ships have the lengths they have. Objects (AP25)
are counted here however small they are; `chorus evaluate --scenes` counts them by ScanNet's rules."""


def write(params: Params, *, seeds: Sequence[int], runs: Path = RUNS, page: Path = PAGE) -> dict[str, str]:
    """Write the page and a picture of each claim that was run; claim -> verdict of its longest trainings. Raises
    InputError where no run lies there."""
    lengths = [Results(params, quick=quick, seeds=seeds, runs=runs) for quick in (False, True)]
    lengths = [each for each in lengths if any(each.done(claim) for claim in CLAIMS)] or lengths[-1:]
    claims = sorted(CLAIMS, key=lambda claim: claim.letter)
    counted = {claim.letter: _longest(claim, lengths) for claim in claims}
    verdicts = {letter: verdict_of(results.claims[letter]) for letter, results in counted.items()}
    if set(verdicts.values()) == {"not run"}:
        raise InputError(runs, expected="figures of runs", got="none", fix="Train: make claims.")
    parts = [_head(lengths, counted), *(_protocols(results) for results in lengths if results in counted.values())]
    for claim in claims:
        first = counted[claim.letter]
        order = [first, *(each for each in lengths if each is not first and each.done(claim))]
        parts.append(_section(claim, order, _pictures(claim, first, page.parent / page.stem)))
    with atomic_file(page) as path:
        path.write_text("\n\n".join(parts) + "\n")
    return {letter: str(verdict) for letter, verdict in verdicts.items()}


def _longest(claim: Claim, lengths: Sequence[Results]) -> Results:
    """The longest trainings that all comparisons of a claim were run with, in seeds enough; else those that most were
    run with."""
    whole = [each for each in lengths if each.is_whole(claim)]
    return whole[0] if whole else max(lengths, key=lambda each: each.done(claim))


def _head(lengths: Sequence[Results], counted: dict[str, Results]) -> str:
    rows = []
    for claim in sorted(CLAIMS, key=lambda claim: claim.letter):
        results = counted[claim.letter]
        found = results.shipped[claim.letter]
        shipped = f"**{verdict_of(found)}**" if any(each.of.counts for each in found) else "not asked"
        verdict = f"**{verdict_of(results.claims[claim.letter])}**"
        rows.append(f"| [{claim.letter}](#{_anchor(claim)}) | {claim.says} | {verdict} | {results.steps} | {shipped} |")
    usual, steps = lengths[0].params.distill.steps, sorted({each.steps for each in counted.values()})
    short = "" if steps == [usual] else f" (the demo's are {usual}, those of the model that ships {_shipped_steps()})"
    kinds = len(set().union(*(each.inputs for each in lengths)))
    rounding = f" Runs come from {kinds} kinds of machine, whose rooms differ by rounding." if kinds > 1 else ""
    return f"""# The paper's claims at this scale

Written by `make claims` (`QUICK=1`: a third of the steps), which trains what has no figures in [`runs/claims`](runs/claims) yet;
`python -m benchmarks.claims page` makes this page and its figures again from what lies there, in seconds. Take a run's file away and
`make claims` computes that run anew, to the same figures on the same kind of machine. Rooms are the validation rooms, on which choices
were made too; held-out rooms are scored once a release (`--split held_out`).{rounding}

**Verdicts are of the length beside them**: trainings of {" and ".join(map(str, steps))} steps on 24 rooms{short}. A verdict of short trainings
says what is so early in training. The last column asks the same of the model that ships, where it can be asked: of one training, so its
interval holds no spread of its seeds. Where the two differ, the answer depends on how long one trains.

An interval is the middle 95 % over homes, their rooms, and seeds, paired where both sides see the same rooms, and widened
for the number of homes. There are two validation homes: in drawn worlds where homes differ no more than rooms it holds the
truth as often as it says, and less often where they differ more (`tests/unit/evaluate/test_claims.py`). A comparison is
*shown* or *refuted* where the interval is all on one side and both sides have three seeds, else *not settled*; a claim is shown when all comparisons that count
are, and refuted when one is. Numbers of the paper are of other scenes, other teachers and an encoder eighty times as large: they stand
beside ours and are not comparable with them. [The published benchmarks](benchmarks.md) run by one line for whoever has their scenes.

| claim | | verdict | at steps | the model that ships |
|---|---|---|---|---|
""" + "\n".join(rows)


def _shipped_steps() -> str:
    return f"{read_json(RUN)['settings']['distill.steps']:,}"


def _anchor(claim: Claim) -> str:
    kept = "".join(letter for letter in claim.says.lower() if letter.isalnum() or letter in " -")
    return f"{claim.letter}-{kept.replace(' ', '-')}"


def _protocols(results: Results) -> str:
    """Zero-shot f-mIoU of every encoder with words in each protocol."""
    rows = []
    for side in _sides():
        files = results.of(side)
        means = (values(files, key, "f_miou") for key in PROTOCOLS)
        cells = [f"{sum(found) / len(found):.1f}" if found else "not run" for found in means]
        rows.append(f"| {side.said} | {len(files)} | {' | '.join(cells)} |")
    head = f"| encoder | seeds | {' | '.join(PROTOCOLS.values())} |\n|---|---|---|---|---|"
    title = f"## Protocols, {results.steps} steps"
    return "\n".join([title, "", ABOUT_PROTOCOLS, "", head, *rows])


def _sides() -> Iterable[Side]:
    """Encoders with words, each once."""
    found: dict = {}
    for claim in CLAIMS:
        for side in (*sides_of(claim.comparisons), *claim.beside, *sides_of(claim.shipped)):
            if side.probe is None and side.encoder.speaks:
                found.setdefault(side.encoder, side)
    return found.values()


def _pictures(claim: Claim, results: Results, folder: Path) -> dict[str, Path]:
    """What is seen -> its picture, drawn now."""
    found: dict[str, Path] = {}
    for curve in CURVES:
        path = folder / f"{claim.letter}-{curve.name}.png"
        if curve.letter == claim.letter and draw(curve, results, path):
            found[f"{curve.y} against {curve.x}"] = path
    path = folder / f"{claim.letter}.png"
    if _draw([*results.claims[claim.letter], *results.shipped[claim.letter]], path):
        found[f"Differences of claim {claim.letter}"] = path
    return found


def _section(claim: Claim, lengths: Sequence[Results], pictures: dict[str, Path]) -> str:
    first = lengths[0]
    lines = [f"## {claim.letter} {claim.says}", "", _verdicts(claim, first), ""]
    for results in lengths:
        lines += [f"Trainings of {results.steps} steps:", "", *_table(results.claims[claim.letter]), ""]
    if shipped := first.shipped[claim.letter]:
        lines += [_about_shipped(), "", *_table(shipped), ""]
    if claim.report:
        lines += [_report(), ""]
    lines += [
        f"`python -m benchmarks.claims run --claims {claim.letter}{' --quick' * first.quick}`. {_cost(claim, first)}"
    ]
    if claim.letter == "g" and (first.folder / FILE.name).exists():
        lines += ["", sentence(read_json(first.folder / FILE.name))]
    if claim.tried:
        lines += ["", f"Tried: {claim.tried}."]
    for said, picture in pictures.items():
        lines += ["", f"![{said}]({picture.parent.name}/{picture.name})"]
    return "\n".join(lines)


def _verdicts(claim: Claim, results: Results) -> str:
    said = f"**{verdict_of(results.claims[claim.letter])}** at {results.steps} steps"
    shipped = results.shipped[claim.letter]
    if any(each.of.counts for each in shipped):
        said += f"; **{verdict_of(shipped)}** of the model that ships"
    return f"{said}. The paper: {claim.paper}."


def _about_shipped() -> str:
    about = read_json(RUN)
    rooms = sum(about["rooms"].values())
    return f"The model that ships ({_shipped_steps()} steps on {rooms} rooms, one training, seed {about['seed']}):"


def _report() -> str:
    """What the shipped model's own report says of student and lifted labels."""
    found = read_json(RUN)["validation"]
    blocks = {"taught names, f-mIoU": ("zero_shot", "f_miou"), "all names, f-mIoU": ("zero_shot_all", "f_miou")}
    said = [
        f"{title}: student {found[block]['student'][key]:.1f}, lifted {found[block]['lifted'][key]:.1f}"
        for title, (block, key) in blocks.items()
    ]
    probe = found["linear_probe"]
    said.append(f"linear probe mIoU: student {probe['student']:.1f}, lifted {probe['lifted']:.1f}")
    rooms = f"that probe reads the labels of all {sum(read_json(RUN)['rooms'].values())} rooms it learnt from, those above of 24"
    return f"Its own report on the same validation rooms ([`runs/pretrain.json`](runs/pretrain.json)) has {'; '.join(said)} ({rooms})."


def _table(rows: Sequence[Found]) -> list[str]:
    """What was run, a row each, and a line on what was not."""
    head = ["| figure | ours | | other | | difference, 95 % | seeds | |", "|---|---|---|---|---|---|---|---|"]
    run = [_row(each, each.difference) for each in rows if each.difference is not None]
    absent = [each.of.ours.said for each in rows if each.difference is None]
    lines = [*head, *run] if run else []
    return [
        *lines,
        *([""] if run and absent else []),
        *([f"Not run: {'; '.join(dict.fromkeys(absent))}."] if absent else []),
    ]


def _row(found: Found, difference: Difference) -> str:
    one = found.of
    lead = f"{difference.mean:+.1f} [{difference.low:+.1f}, {difference.high:+.1f}]"
    seeds = " / ".join(map(str, found.seeds))
    verdict = found.verdict if one.counts else f"({found.verdict})"
    sides = f"{one.ours.said} | {difference.ours:.1f} | {one.other.said} | {difference.other:.1f}"
    return f"| {_title(found)} | {sides} | {lead} | {seeds} | {verdict} |"


def _title(found: Found) -> str:
    one, other = found.of, found.of.other_figure
    figure = FIGURES[one.figure] if other in (None, one.figure) else f"{FIGURES[one.figure]} / {FIGURES[other]}"
    rule = f", no less but for {one.margin:g}" if one.margin is not None else ""
    return f"{figure} {SAID[one.measure]}{rule}"


def _cost(claim: Claim, results: Results) -> str:
    """Trainings, steps and CPU hours of what was run for a claim."""
    there, planned, trained, steps, hours = results.cost(claim)
    said = f"{there} of {planned} runs, {trained} of them trainings of {steps:,} steps in all, {hours:.2f} CPU hours with scoring"
    aside = (
        " Verdicts in brackets do not count."
        if not all(one.counts for one in (*claim.comparisons, *claim.shipped))
        else ""
    )
    return f"{said}; runs are shared between claims.{aside}"


def _draw(rows: Sequence[Found], path: Path) -> bool:
    """The differences and their intervals; nothing where none was found."""
    shown = {}
    for each in rows:
        if each.difference is not None:
            title = f"{each.of.ours.said}\nagainst {each.of.other.said}\n{_title(each)}"
            shown[title] = (each.difference.mean, each.difference.low, each.difference.high)
    if not shown:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = plots.intervals(shown, x="points of difference, 95 %")
    with atomic_file(path) as out:
        plots.save_png(figure, out)
    plots.close(figure)
    return True
