"""The result tables for a terminal: one label set each, named in its heading."""

from __future__ import annotations

from pathlib import Path

from chorus.encoder.shipped import RUN
from chorus.errors import InputError
from chorus.evaluate import limits
from chorus.json_files import read_json

COLUMNS = ("chance", "color_only", "points", "student", "lifted")
HEADS = {"color_only": "color", "points": "points", "student": "student", "lifted": "teacher"}
ZERO_SHOT = (("zero-shot f-mIoU", "f_miou"), ("zero-shot f-mAcc", "f_macc"))
ALL = (("linear probe mIoU", "linear_probe", "miou"), ("linear probe f-mIoU", "linear_probe", "f_miou"))
WIDTH = 28  # of a row's title


def read_metrics(folder: Path) -> dict:
    """The metrics.json of a reports folder. Raises MissingError before there is one, InputError for a damaged one."""
    path = Path(folder) / "metrics.json"
    return read_json(path, expected="JSON of a report", fix="Run make demo to make it.")


def render_table(report: dict, page: Path | None = None) -> str:
    """The figures that matter, as text. Raises InputError when it is no report."""
    try:
        lines = [limits.learnt(report["data"]), *_head(report["data"]), ""]
        for heading, rows in label_sets(report):
            lines += [heading, *(_row(report, *row) for row in rows), ""]
        lines += _rest(report)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "metrics.json", expected="the keys of an evaluation", got=f"no {error}", fix="Make the report again."
        ) from error
    return "\n".join([*lines, f"{'report':{WIDTH}}{page}"] if page else lines)


def label_sets(report: dict) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """(heading, rows of title, block and key) of every table: the names taught, those withheld, and all of them."""
    data = report["data"]
    taught, withheld, names = (len(data[key]) for key in ("taught", "withheld", "names"))
    tables = []
    if taught < names:
        rows = [(title, "zero_shot", key) for title, key in ZERO_SHOT]
        tables.append((f"{limits.count(taught, 'name')} the language teacher was taught", rows))
    if withheld:
        rows = [(title, "zero_shot_withheld", key) for title, key in ZERO_SHOT]
        tables.append((f"{limits.count(withheld, 'withheld name')} ({', '.join(data['withheld'])})", rows))
    rows = [*((title, "zero_shot_all", key) for title, key in ZERO_SHOT), *ALL, ("objects AP25", "instances", "ap25")]
    return [*tables, (f"all {names} names", rows)]


def _head(data: dict) -> list[str]:
    where = f"{limits.count(len(data['rooms']), f'{limits.split(data)} room')} of {limits.listed(data['homes'])}"
    head = f"{'percent':{WIDTH}}" + "".join(f"{HEADS.get(column, column):>10}" for column in COLUMNS)
    return [f"Counted on {where}.", "", head, "-" * len(head)]


def _row(report: dict, title: str, block: str, key: str) -> str:
    return f"{'  ' + title:{WIDTH}}" + "".join(_cell(report[block].get(column, {}).get(key)) for column in COLUMNS)


def _cell(value: float | None) -> str:
    return f"{'-':>10}" if value is None else f"{value:10.1f}"


def _rest(report: dict) -> list[str]:
    names = len(report["data"]["names"])
    rows = {
        f"adaptation, all {names} names": _adaptation(report),
        "validation": _validation(report),
        "Gaussians, held-out views": _fit(report["fit"]),
        "lifted targets": _storage(report["storage"]),
        "seconds, wall": _seconds(report["seconds"]["wall"]),
        "seconds of work, runs added": _seconds(report["seconds"]["work"]),
    }
    return [f"{title:{WIDTH}}{text}" for title, text in rows.items() if text]


def _adaptation(report: dict) -> str:
    table, data = report["adaptation"], report["data"]
    if table["before"]["f_miou"] is None:
        return ""
    low, high = table.get("gain", {}).get("f_miou_interval", [None, None])
    sure = "no interval from one home" if low is None else f"gain 95 % [{low:+.1f}, {high:+.1f}]"
    rooms = limits.count(len(data["adaptation_rooms"]), "room")
    return f"f-mIoU {table['before']['f_miou']:.1f} -> {table['after']['f_miou']:.1f} in {rooms}, {sure}"


def _validation(report: dict) -> str:
    table = report["validation"]
    if not table or table["student"]["f_miou"] is None:
        return ""
    figures = ", ".join(
        f"{method} {table[method]['f_miou']:.1f}"
        for method in ("student", "points")
        if table[method]["f_miou"] is not None
    )
    return f"f-mIoU of taught names in {limits.count(len(table['rooms']), 'room')}: {figures}"


def _fit(fit: dict) -> str:
    if fit["psnr_blind_median"] is None:
        return ""
    return (
        f"PSNR {fit['psnr_blind_median']:.1f} dB blind, {fit['psnr_raw_median']:.1f} dB raw, medians of "
        f"{limits.count(fit['scenes'], 'scene')}"
    )


def _storage(storage: dict) -> str:
    if not storage.get("targets_bytes"):
        return ""
    stored, plain = (storage[key] / 1e6 for key in ("targets_bytes", "naive_bytes"))
    return f"{stored:.1f} MB, {plain:.1f} MB as plain features"


def _seconds(stages: dict) -> str:
    return ", ".join(f"{stage} {value:.0f}" for stage, value in stages.items() if value)


def print_table(folder: Path) -> None:
    """Print the tables of a reports folder, and how the model that ships did in the same validation rooms."""
    page, report = Path(folder) / "report.html", read_metrics(folder)
    print(render_table(report, page if page.exists() else None))
    if beside := in_the_box(report, read_json(RUN)):
        print(beside)


def in_the_box(report: dict, run: dict) -> str:
    """A line with the shipped model's validation figures beside the report's; empty where they are of other rooms.

    run: as chorus.recipes.record writes it."""
    table, shipped, rooms = report["validation"], run["validation"], run["rooms"]
    if not table or table["rooms"] != shipped["rooms"]:
        return ""
    figures = ", ".join(f"{method} {shipped['zero_shot'][method]['f_miou']:.1f}" for method in ("student", "points"))
    trained = f"{rooms['designed']} designed and {rooms['generated']} generated rooms"
    return f"{'the model that ships':{WIDTH}}{figures} in the same validation rooms, trained on {trained}"
