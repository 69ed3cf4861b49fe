"""The card of a shipped model: what it is, what it was trained on, figures, credits, what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chorus.sources.sweethome3d.credits import CHANGES, HOMES, credits

METHODS = {"student": "splats", "points": "points", "lifted": "lifted teacher", "chance": "chance"}
HEAD = "---\nlibrary_name: chorus\ntags: [3d, gaussian-splatting]\nlicense: apache-2.0\n---\n"
SMALL = 10.0  # percent f-mIoU, under which a block of names is not understood


def card(run: Mapping[str, Any], *, models: dict[str, int], note: str = "") -> str:
    """Markdown. run: as chorus.recipes.record writes it; models: furniture drawn in the rooms trained on -> how
    often; note: a line at the top."""
    parts = [
        HEAD + "# The model in the box",
        note,
        _what(run),
        _figures(run["validation"]),
        "## What it cannot do\n" + "\n".join(f"- {line}" for line in _limits(run)),
        "## Credits\n" + "\n".join(f"- {line}" for line in _credits(run, models)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _what(run: Mapping[str, Any]) -> str:
    rooms, settings = run["rooms"], run["settings"]
    steps = " and ".join(
        f"{variant} for {row['steps']} steps ({row['parameters'] / 1e6:.2f} M parameters)"
        for variant, row in run["trained"].items()
    )
    seconds = ", ".join(f"{stage} {value:.0f}" for stage, value in run["seconds"].items())
    machine = run["machine"]
    return (
        f"Two encoders of 3D Gaussian scenes, one of splats and one of bare points ({settings['encoder.preset']}, "
        f"{settings['encoder.grid_size']} m voxels), distilled from the {settings['teachers.family']} teachers on "
        f"{rooms['designed']} rooms of homes designed by people and {rooms['generated']} rooms drawn by a program. "
        f"They read no label; the embedded teachers learnt names from labelled renders of training homes.\n\n"
        f"Trained: {steps}, seed {run['seed']}, parameters `{run['params']}`, teachers `{run['teachers'][:12]}`. "
        f"Seconds of work: {seconds} ({machine['cores']} cores, {machine['instruction_set']}, {machine['device']}). "
        f"All of it is in run.json.\n\n"
        "Kept here in half precision, with the head of the words alone; `encode` gives `lang`, `upcast` and `tokens`."
    )


def _figures(found: Mapping[str, Any]) -> str:
    names = found["names"]
    blocks = [("zero_shot", f"{names['taught']} names the language teacher was taught")]
    if names["withheld"]:
        blocks.append(("zero_shot_withheld", f"{names['withheld']} names withheld from it"))
    lines = ["| percent | f-mIoU | f-mAcc |", "|---|---|---|"]
    for block, title in blocks:
        for method, shown in METHODS.items():
            row = found[block].get(method)
            if row and row["f_miou"] is not None:
                lines.append(f"| {shown}, {title} | {row['f_miou']:.1f} | {_number(row['f_macc'])} |")
    for method in ("student", "points"):
        probe = found["linear_probe"].get(method)
        if probe is not None:
            lines.append(f"| {METHODS[method]}, linear probe, mIoU | {probe:.1f} | - |")
    where = f"{len(found['rooms'])} rooms of {', '.join(found['homes'])}"
    text = (
        f"## Figures\nValidation: {where}, other homes than those trained on, with furniture of the same libraries. "
        "The full-precision models were scored. Choices were made by these rooms, so new rooms will give less.\n\n"
    )
    return text + "\n".join(lines)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _limits(run: Mapping[str, Any]) -> list[str]:
    grid, found = run["settings"]["encoder.grid_size"], run["validation"]
    withheld = found["zero_shot_withheld"].get("student", {}).get("f_miou")
    lines = [
        "Rooms of homes alone: it has seen no street, no person, no animal, and no photographed room.",
        f"Things of less than about {100 * grid:.0f} cm, a voxel, have no feature of their own.",
        "It reads metres: a scene whose unit is wrong by half is another scene to it. Say `--unit` or `--scale`.",
        "English. Another language is answered as well as the text tower can.",
        "No answer is proof of absence, and a score is no probability.",
    ]
    if found["names"]["withheld"] and withheld is not None and withheld < SMALL:
        lines.append(f"Names its language teacher was not taught stay unknown to it ({withheld:.1f} % f-mIoU).")
    return [*lines, "It cannot be trained further: teachers' spaces are folded into the head. Train your own instead."]


def _credits(run: Mapping[str, Any], models: dict[str, int]) -> list[str]:
    lines = ["Weights and code: Apache-2.0."]
    if models:
        lines += [f"Trained on renders of {HOMES}, furnished from:", *credits(models), CHANGES]
    if run["settings"]["teachers.family"] == "embedded":
        lines.append("Teachers: EfficientNet-Lite0 and all-MiniLM-L6-v2 (both Apache-2.0), under small decoders.")
    return lines
