"""Prints the whole benchmark: python kernels/benchmarks/run.py [--json FILE] [--quick] [--markdown].

Every row is measured in this process on one thread, as CPU time, next to its peer; only ratios carry over to other machines.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from timing import Row

from chorus_kernels import dispatch

COLUMNS = ("op", "case", "against", "ms", "peer ms", "ratio", "at least", "", "note")


def machine() -> str:
    """What was measured on, and the share of its peak that a row can be held against."""
    a = torch.rand(1024, 1024)
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        a @ a
        best = min(best, time.process_time() - start)
    return (
        f"{dispatch.native().isa}, FMA peak {dispatch.native().fma_peak() / 1e9:.0f} GF/s on one core, torch matrix product {2 * 1024**3 / best / 1e9:.0f} GF/s"
    )


def cells(row: Row) -> tuple[str, ...]:
    bounds = ((row.at_least, "x"), (row.at_most, " ms"))
    wanted = [f"{bound:g}{unit}" for bound, unit in bounds if bound is not None]
    mark = "SHORT" if row.short else ""
    times = (f"{row.milliseconds:.2f}", f"{row.peer_milliseconds:.1f}", f"{row.ratio:.2f}x" if row.ratio < 10 else f"{row.ratio:.0f}x")
    return row.op, row.case, row.against, *times, ", ".join(wanted), mark, row.note


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows there")
    parser.add_argument("--quick", action="store_true", help="leave out the rows whose peers take minutes")
    parser.add_argument("--markdown", action="store_true", help="print a Markdown table")
    arguments = parser.parse_args()
    from cases import all_rows

    torch.set_num_threads(1)
    print(machine())
    rows = []
    line = (lambda c: "| " + " | ".join(c) + " |") if arguments.markdown else (lambda c: "  ".join(c))
    print(line(COLUMNS))
    if arguments.markdown:
        print("|" + "---|" * len(COLUMNS))
    for row in all_rows(arguments.quick):
        rows.append(row)
        print(line(cells(row)), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps([row.record() for row in rows], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
