"""The whole benchmark: python kernels/benchmarks/run.py [--only PATTERN] [--quick] [--json FILE] [--markdown FILE]
[--gpu].

Every row is measured on one thread, as CPU time, next to its peer in the same process; only ratios carry over to other
machines. A group has a process of its own: what earlier ones leave in the allocator decides whether large results cost
fresh pages, and peers twice their time.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from timing import Row

from chorus_kernels import dispatch

COLUMNS = ("op", "case", "against", "ms", "peer ms", "ratio", "at least", "", "rate and share of the peak", "note")
START, END = "<!-- benchmark -->", "<!-- end of benchmark -->"


def machine() -> tuple[str, float]:
    """What was measured on, and its peak in operations a second."""
    a = torch.rand(1024, 1024)
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        a @ a
        best = min(best, time.process_time() - start)
    isa, peak = dispatch.native().isa, dispatch.native().fma_peak()
    return (
        f"{isa}, FMA peak {peak / 1e9:.0f} GF/s on one core, torch matrix product {2 * 1024**3 / best / 1e9:.0f} GF/s",
        peak,
    )


def cells(row: Row, peak: float) -> tuple[str, ...]:
    """The row as text, in the order of COLUMNS."""
    bounds = ((row.at_least, "x"), (row.at_most, " ms"))
    wanted = [f"{bound:g}{unit}" for bound, unit in bounds if bound is not None]
    mark = "SHORT" if row.short else ""
    times = (
        f"{row.milliseconds:.2f}",
        f"{row.peer_milliseconds:.1f}",
        f"{row.ratio:.2f}x" if row.ratio < 10 else f"{row.ratio:.0f}x",
    )
    return row.op, row.case, row.against, *times, ", ".join(wanted), mark, row.rates(peak), row.note


def rows_of(only: list[str], *, quick: bool) -> Iterator[Row]:
    """The rows of the groups whose name holds one of `only`, all when it is empty."""
    from cases import GROUPS, SLOW

    for name in GROUPS:
        if any(part in name for part in only) if only else not (quick and name in SLOW):
            yield from in_own_process(name)


def in_own_process(group: str) -> Iterator[Row]:
    """The group's rows, measured by this file run again."""
    done = subprocess.run([sys.executable, __file__, "--group", group], stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        yield Row(**json.loads(line))


def markdown(rows: list[Row], head: str, peak: float) -> str:
    """The rows as a Markdown table under what they were measured on."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(cells(row, peak) for row in rows)]
    return f"{head}\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def put_into(file: Path, table: str) -> None:
    """Writes the table between the two marks of a document, or the whole of a file without them."""
    old = file.read_text() if file.exists() else ""
    if START not in old or END not in old:
        file.write_text(table + "\n")
        return
    before, after = old.split(START)[0], old.split(END)[1]
    file.write_text(f"{before}{START}\n{table}\n{END}{after}")


def main() -> int:
    """Measures, prints as it goes, and writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="PATTERN",
        help="groups whose name holds this; may be given again",
    )
    parser.add_argument("--quick", action="store_true", help="leave out the rows whose peers take minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help=f"write a table there, between {START} and {END} if the file has them",
    )
    parser.add_argument("--gpu", action="store_true", help="gsplat and spconv on the same work, where CUDA is present")
    parser.add_argument("--group", help=argparse.SUPPRESS)  # measure it here, a line of JSON for each row
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    if arguments.group:
        from cases import GROUPS

        for row in GROUPS[arguments.group]():
            print(json.dumps(asdict(row)), flush=True)
        return 0
    head, peak = machine()
    print(head, "  ".join(COLUMNS), sep="\n", flush=True)
    rows = []
    for row in _measured(arguments):
        rows.append(row)
        print("  ".join(cells(row, peak)), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([row.record() for row in rows], indent=2) + "\n")
    if arguments.markdown:
        put_into(arguments.markdown, markdown(rows, head, peak))
    return 0


def _measured(arguments: argparse.Namespace) -> Iterator[Row]:
    yield from rows_of(arguments.only, quick=arguments.quick)
    if not arguments.gpu:
        return
    from gpu import gpu_rows, why_not

    missing = why_not()
    if missing:
        print(missing, file=sys.stderr)
    else:
        yield from gpu_rows()


if __name__ == "__main__":
    sys.exit(main())
