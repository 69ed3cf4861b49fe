"""The result table for a terminal."""

from __future__ import annotations

from pathlib import Path

from chorus.errors import InputError
from chorus.json_files import read_json

ROWS = (
    ("zero-shot f-mIoU", "zero_shot", "f_miou"),
    ("zero-shot f-mAcc", "zero_shot", "f_macc"),
    ("  withheld names, f-mIoU", "zero_shot_withheld", "f_miou"),
    ("linear probe mIoU", "linear_probe", "miou"),
    ("linear probe f-mIoU", "linear_probe", "f_miou"),
    ("objects AP25", "instances", "ap25"),
)
COLUMNS = ("chance", "color_only", "points", "student", "lifted")
HEADS = {"color_only": "color", "points": "points", "student": "student", "lifted": "teacher"}


def read_metrics(folder: Path) -> dict:
    """The metrics.json of a reports folder. Raises MissingError before there is one, InputError for a damaged one."""
    path = Path(folder) / "metrics.json"
    return read_json(path, expected="JSON of a report", fix="Run make demo to make it.")


def render_table(report: dict, page: Path | None = None) -> str:
    """The figures that matter, as text. Raises InputError when it is no report."""
    try:
        lines = [f"{'percent, held-out homes':28}" + "".join(f"{HEADS.get(column, column):>10}" for column in COLUMNS)]
        lines.append("-" * len(lines[0]))
        lines += [
            f"{title:28}" + "".join(_cell(report[block].get(column, {}).get(key)) for column in COLUMNS)
            for title, block, key in ROWS
        ]
        lines += ["", *_rest(report)]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "metrics.json", expected="the keys of an evaluation", got=f"no {error}", fix="Make the report again."
        ) from error
    return "\n".join([*lines, f"report                      {page}"] if page else lines)


def _cell(value: float | None) -> str:
    return f"{'-':>10}" if value is None else f"{value:10.1f}"


def _rest(report: dict) -> list[str]:
    adaptation, storage = report["adaptation"], report["storage"]
    lines = []
    if adaptation["before"]["f_miou"] is not None:
        gain = adaptation.get("gain", {}).get("f_miou_interval", [None, None])
        sure = f"   gain 95 % [{gain[0]:+.1f}, {gain[1]:+.1f}]" if gain[0] is not None else ""
        lines.append(
            f"adaptation f-mIoU           {adaptation['before']['f_miou']:.1f} -> "
            f"{adaptation['after']['f_miou']:.1f}{sure}"
        )
    if report["fit"]["psnr_heldout_median"] is not None:
        lines.append(
            f"Gaussians, held-out PSNR    {report['fit']['psnr_heldout_median']:.1f} dB median of "
            f"{report['fit']['scenes']} scenes"
        )
    if storage.get("factorized_bytes"):
        sizes = (
            f"{storage['factorized_bytes'] / 1e6:.1f} MB factorised, {storage['naive_bytes'] / 1e6:.1f} MB "
            f"as plain features"
        )
        lines.append(f"lifted targets              {sizes}")
    if report["seconds"]:
        lines.append(
            "seconds                     "
            + ", ".join(f"{stage} {value:.0f}" for stage, value in report["seconds"].items() if value)
        )
    return lines


def print_table(folder: Path) -> None:
    """Print the table of a reports folder."""
    page = Path(folder) / "report.html"
    print(render_table(read_metrics(folder), page if page.exists() else None))
