"""The report: metrics.json with fixed keys, the charts as PNG, and one HTML page that needs nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import re
import time
from pathlib import Path

import jinja2

from chorus.evaluate import limits, pictures, plots
from chorus.evaluate.inputs import METHODS, PROBED, ReportInputs, Room, richest
from chorus.evaluate.measure import measure
from chorus.evaluate.tasks import TEMPERATURE
from chorus.params import EvaluateParams
from chorus.train.curves import read_curves

TEMPLATE = Path(__file__).with_name("report.html.j2")
ROOMS_SHOWN = 2
TITLES = {
    "student": "student (Gaussians)",
    "points": "student (points)",
    "lifted": "lifted teacher",
    "chance": "chance",
    "random": "untrained encoder",
    "color_only": "colour only",
}


def write_report(folder: Path, inputs: ReportInputs, params: EvaluateParams) -> dict:
    """Write report.html, metrics.json and plots/*.png into an existing folder and return the metrics.

    The same inputs give the same bytes, but for the seconds the evaluation itself took (none where ``inputs.started``
    is None).
    """
    folder = Path(folder)
    report = measure(inputs, params)
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    charts = _charts(folder / "plots", inputs, report)
    rooms = [_room(folder / "plots", room, inputs) for room in richest(inputs.test)[:ROOMS_SHOWN]]
    if inputs.started is not None:
        report["seconds"]["wall"]["evaluation"] = round(time.perf_counter() - inputs.started, 1)
    (folder / "metrics.json").write_text(json.dumps(report, sort_keys=True, indent=1, allow_nan=False) + "\n")
    page = (
        _environment()
        .from_string(TEMPLATE.read_text())
        .render(
            report=report,
            charts=charts,
            rooms=rooms,
            alive=None if inputs.page is None else packed(inputs.page),
            links=inputs.links,
            shown={room["name"] for room in rooms},
            temperature=TEMPERATURE,
            limits=limits.sentences(report),
            learnt=limits.learnt(report["data"]),
            split=limits.split(report["data"]),
            listed=limits.listed,
            count=limits.count,
            titles=TITLES,
            methods=METHODS,
            probed=PROBED,
            sheets=[(caption, pictures.inline(pictures.thumbnail(path))) for caption, path in inputs.sheets.items()],
            provenance=report["provenance"],
        )
    )
    (folder / "report.html").write_text(page)
    return report


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(figure=figure, interval=interval, size=size)
    return environment


def figure(value: float | None, digits: int = 1) -> str:
    """A number for a table; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def interval(bounds: list[float | None] | None) -> str:
    """Brackets around an interval; that there is none where homes are too few for one; nothing of what is absent."""
    if bounds is None:
        return ""
    low, high = bounds
    return "no interval" if low is None else f"[{low:.1f}, {high:.1f}]"


def size(count: float | None) -> str:
    """Bytes in words."""
    if count is None:
        return "-"
    power = 0
    while count >= 1000 and power < 3:
        count, power = count / 1000, power + 1
    return f"{count:.1f} {('B', 'kB', 'MB', 'GB')[power]}" if power else f"{count:.0f} B"


def packed(text: str) -> str:
    """Text compressed, in letters that stand in a page as they are: the same for the same text."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()


def _charts(folder: Path, inputs: ReportInputs, report: dict) -> dict[str, str]:
    """name -> inline SVG; a PNG of each is saved beside."""
    drawn = {
        "per_class": plots.per_class(report["per_class"], METHODS, inputs.withheld),
        "calibration": plots.calibration(report["calibration"]),
    }
    if report["confusion"]["student"]:
        drawn["confusion"] = plots.confusion(report["confusion"]["student"], inputs.names)
    tables = {model: plots.columns(read_curves(path)) for model, path in inputs.curves.items()}
    if any(len(line[0]) > 1 for table in tables.values() for line in table.values()):
        drawn["curves"] = plots.curves(tables)
    charts = {}
    for name, chart in drawn.items():
        plots.save_png(chart, folder / f"{name}.png")
        charts[name] = plots.svg(chart)
        plots.close(chart)
    return charts


def _room(folder: Path, room: Room, inputs: ReportInputs) -> dict:
    rows = []
    for caption, above, inside in pictures.room_pictures(room, inputs):
        stem = f"{room.name}_{re.sub('[^a-z]+', '_', caption.lower()).strip('_')}"
        data = {"above": pictures.png(above), "inside": pictures.png(inside)}
        for view, content in data.items():
            (folder / f"{stem}_{view}.png").write_bytes(content)
        rows.append({"caption": caption, **{view: pictures.inline(content) for view, content in data.items()}})
    return {"name": room.name, "info": dict(room.info), "rows": rows, "names": pictures.names_shown(room, inputs)}
