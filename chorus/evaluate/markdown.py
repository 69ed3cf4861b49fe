"""The results in a Markdown file: the block between two markers, written anew from metrics.json."""

from __future__ import annotations

import hashlib
import json
import shutil
import textwrap
from pathlib import Path

from chorus.errors import InputError
from chorus.evaluate import limits, strip
from chorus.evaluate.table import read_metrics, render_table
from chorus.store import atomic_file

BEGIN, END = "<!-- results -->", "<!-- /results -->"
COPY, PICTURE = "metrics.json", "picture.png"  # the report a file's block was written from, and a room of it
SHOWN = 12  # digits of a content hash
WIDTH = 130  # columns of prose


def update(file: Path, reports: Path) -> list[Path]:
    """Rewrite the block of a Markdown file from the metrics.json of a reports folder; in the file's folder
    (:func:`folder_of`) keep a copy of the latter and draw picture.png, a room of the report. Returns what was written.

    Raises MissingError without a report and its pictures, InputError for a file without both markers, once each.
    """
    report, file = read_metrics(reports), Path(file)
    before, _, after = split(file)
    text = f"{before}{BEGIN}\n{block(report)}{END}{after}"
    plots = Path(reports) / "plots"
    picture = strip.strip(plots, strip.richest(plots))
    copy, drawn = folder_of(file) / COPY, folder_of(file) / PICTURE
    with atomic_file(drawn) as path:
        picture.save(path, optimize=True)
    with atomic_file(copy) as path:
        shutil.copyfile(Path(reports) / "metrics.json", path)
    with atomic_file(file) as path:
        path.write_text(text)
    return [file, copy, drawn]


def folder_of(file: Path) -> Path:
    """Where what a file's block rests on is kept: docs/ beside README.md, NAME/ beside NAME.md."""
    return file.parent / ("docs" if file.stem == "README" else file.stem)


def split(file: Path) -> tuple[str, str, str]:
    """(before, block, after) of a file: what stands before, between and after the markers."""
    try:
        text = Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(file, expected="a readable Markdown file", got=error) from error
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise InputError(
            file,
            expected=f"{BEGIN} and {END}, once each",
            got=f"{text.count(BEGIN)} and {text.count(END)}, or the wrong way round",
            fix="Put the two lines where the results belong.",
        )
    before, rest = text.split(BEGIN)
    inner, after = rest.split(END)
    return before, inner.removeprefix("\n"), after


def block(report: dict) -> str:
    """What stands between the markers: the tables, what they rest on, and what they were made from."""
    data = report["data"]
    sentences = [
        *limits.furniture(data),
        limits.labels(data),
        *limits.against_teacher(report),
        *limits.uncertain(report),
    ]
    parts = [f"```text\n{render_table(report)}\n```", _wrapped(" ".join(sentences)), *map(_wrapped, _origin(report))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _origin(report: dict) -> list[str]:
    """Settings, and content hashes of the models and of all scored rooms together."""
    settings = ", ".join(f"{name} {value}" for name, value in report["settings"].items())
    hashes = report["provenance"]
    rooms = {name: value for name, value in hashes.items() if " of " in name}
    shown = {name: value for name, value in hashes.items() if name not in rooms}
    if rooms:
        shown["the scored rooms"] = hashlib.sha256(json.dumps(rooms, sort_keys=True).encode()).hexdigest()
    made = ", ".join(f"{name} `{value[:SHOWN]}`" for name, value in shown.items())
    return [f"{title}: {text}." for title, text in (("Made with", settings), ("Content hashes", made)) if text]
