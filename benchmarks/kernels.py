"""Every native op beside its peer: ``python -m benchmarks.kernels``.

Every row is measured on one thread, as CPU time, next to its peer in the same process; only ratios carry over to other
machines. A group has a process of its own: what earlier ones leave in the allocator decides whether large results cost
fresh pages, and peers twice their time.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import torch
import tyro

from benchmarks.rows import GROUPS, SLOW
from benchmarks.table import Row, report
from benchmarks.timing import in_own_process
from chorus_kernels import dispatch


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


def chosen(only: tuple[str, ...], *, quick: bool) -> list[str]:
    """The groups whose name holds one of `only`, all when it is empty."""
    return [name for name in GROUPS if (any(part in name for part in only) if only else not (quick and name in SLOW))]


def measured(group: str) -> list[Row]:
    """The group's rows, on one thread."""
    torch.set_num_threads(1)
    return list(GROUPS[group]())


def rows_of(groups: list[str]) -> Iterator[Row]:
    for group in groups:
        yield from in_own_process(measured, group)


def main(
    only: tuple[str, ...] = (), quick: bool = False, json: Path | None = None, markdown: Path | None = None
) -> None:
    """Measure the native ops.

    Args:
        only: Groups whose name holds one of these.
        quick: Leave out the groups whose peers take minutes.
        json: Write the rows there.
        markdown: Write a table there, between its marks: <!-- benchmark ISA --> and <!-- end of benchmark ISA -->, with
            the instruction set (avx512, avx2 or sse42) for ISA.
    """
    groups = chosen(only, quick=quick)
    if not groups:
        raise SystemExit(f"benchmarks.kernels: no group holds {' or '.join(only)}; there are {', '.join(GROUPS)}")
    torch.set_num_threads(1)
    head, peak = machine()
    report(head, rows_of(groups), peak, json_file=json, markdown_file=markdown, place=dispatch.native().isa)


if __name__ == "__main__":
    tyro.cli(main)
