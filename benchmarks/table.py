"""The lines of a table of times beside a peer's, on the screen and in documents."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

COLUMNS = ("op", "case", "against", "ms", "peer ms", "ratio", "at least", "", "rate and share of the peak", "note")


@dataclass(frozen=True)
class Row:
    """One line of the table. `ratio` is how many times faster than the peer; `note` what else was measured."""

    op: str
    case: str
    against: str
    milliseconds: float
    peer_milliseconds: float
    at_least: float | None = None  # ratio
    at_most: float | None = None  # milliseconds
    at_share: float | None = None  # of `peak`, operations a second
    peak: float | None = None
    note: str = ""
    flops: float | None = None  # operations done
    moved: float | None = None  # bytes that inputs, weights and results have: the least that goes through memory
    device: str = "cpu"

    @property
    def ratio(self) -> float:
        return self.peer_milliseconds / self.milliseconds

    @property
    def short(self) -> bool:
        slower = self.at_least is not None and self.ratio < self.at_least
        later = self.at_most is not None and self.milliseconds > self.at_most
        return slower or later or (self.at_share is not None and self.share < self.at_share)

    @property
    def share(self) -> float:
        """Of the peak; a row that asks for it has one, and counts its operations."""
        return 1e3 * (self.flops or 0.0) / self.milliseconds / (self.peak or float("inf"))

    def rates(self, peak: float) -> str:
        """GF/s with their share of the peak (operations a second), and GB/s."""
        parts = []
        if self.flops is not None:
            rate = 1e3 * self.flops / self.milliseconds
            parts.append(f"{rate / 1e9:.0f} GF/s, {100 * rate / peak:.0f} %")
        if self.moved is not None:
            parts.append(f"{self.moved / self.milliseconds / 1e6:.1f} GB/s")
        return "; ".join(parts)

    def record(self) -> dict:
        return {**asdict(self), "ratio": self.ratio, "falls_short": self.short}


def cells(row: Row, peak: float) -> tuple[str, ...]:
    """The row as text, in the order of COLUMNS."""
    bounds = ((row.at_least, "x"), (row.at_most, " ms"))
    wanted = [f"{bound:g}{unit}" for bound, unit in bounds if bound is not None]
    wanted += [f"{row.at_share:.0%} of the peak"] if row.at_share is not None else []
    mark = "SHORT" if row.short else ""
    times = (
        f"{row.milliseconds:.2f}",
        f"{row.peer_milliseconds:.1f}",
        f"{row.ratio:.2f}x" if row.ratio < 10 else f"{row.ratio:.0f}x",
    )
    return row.op, row.case, row.against, *times, ", ".join(wanted), mark, row.rates(peak), row.note


def report(
    head: str, rows: Iterable[Row], peak: float, *, json_file: Path | None, markdown_file: Path | None, place: str = ""
) -> None:
    """Prints what was measured on and each row as it comes, and writes all of them where files are named; in a document
    at the place of that name."""
    print(head, "  ".join(COLUMNS), sep="\n", flush=True)
    kept = []
    for row in rows:
        kept.append(row)
        print("  ".join(cells(row, peak)), flush=True)
    if json_file:
        json_file.write_text(json.dumps([row.record() for row in kept], indent=2) + "\n")
    if markdown_file:
        put_into(markdown_file, markdown(kept, head, peak), place)


def markdown(rows: list[Row], head: str, peak: float) -> str:
    """The rows as a Markdown table under what they were measured on."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(cells(row, peak) for row in rows)]
    return f"{head}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def marks(place: str) -> tuple[str, str]:
    """The lines of a document between which a table stands."""
    name = f"benchmark {place}".strip()
    return f"<!-- {name} -->", f"<!-- end of {name} -->"


def put_into(file: Path, table: str, place: str = "") -> None:
    """Writes the table between the two marks of a document, or the whole of a file without them."""
    start, end = marks(place)
    old = file.read_text() if file.exists() else ""
    if start not in old or end not in old:
        file.write_text(table + "\n")
        return
    before, after = old.split(start)[0], old.split(end)[1]
    file.write_text(f"{before}{start}\n{table}\n{end}{after}")
