"""Rows of the encoder's ops and of its targets: sparse convolution, neighbors, curves, coded rows."""

from collections.abc import Iterator

import torch

import chorus_kernels as ck
from benchmarks.peers import decode_torch, hilbert_numpy
from benchmarks.rows.goals import goal
from benchmarks.scenes import surface_voxels
from benchmarks.table import Row
from benchmarks.timing import leaves, milliseconds, size
from chorus_kernels import dispatch, reference


def voxels(n: int = 50000) -> Iterator[Row]:
    """Submanifold convolution and the neighbor table, on voxels of surfaces in the encoder's order."""
    grid = surface_voxels(n)
    batch = torch.zeros(len(grid), dtype=torch.int64)
    table = ck.neighbors(grid, batch)
    pairs = int((table >= 0).sum())
    for c in (32, 64):
        feat, weight, outer = torch.randn(len(grid), c), torch.randn(c, 3, 3, 3, c), torch.randn(len(grid), c)

        def step(conv, feat=feat, weight=weight, outer=outer) -> None:
            conv(*leaves(feat, weight), table).backward(outer)

        ours = milliseconds(lambda: step(ck.submanifold_conv), repeats=5)
        peer = milliseconds(lambda: step(reference.submanifold_conv), repeats=3)
        case, note = f"{n // 1000}k voxels {c}->{c}, forward+backward", f"{pairs / len(grid):.1f} neighbors"
        moved = 3 * size(feat, weight, table)
        yield Row(
            "submanifold_conv",
            case,
            "torch gather-GEMM-scatter",
            ours,
            peer,
            goal(4, None),
            at_share=goal(None, 0.85),
            peak=dispatch.native().fma_peak(),
            note=note,
            flops=6 * pairs * c * c,
            moved=moved,
        )
    ours = milliseconds(lambda: ck.neighbors(grid, batch), repeats=9)
    peer = milliseconds(lambda: reference.neighbors(grid, batch), repeats=3)
    yield Row(
        "neighbors",
        f"{n // 1000}k voxels",
        "torch sort and searchsorted",
        ours,
        peer,
        9,
        moved=size(grid, batch, table),
    )


def curves(n: int = 1_000_000) -> Iterator[Row]:
    """Hilbert codes."""
    grid = torch.randint(0, 2**16, (n, 3), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    batch = torch.zeros(n, dtype=torch.int64)
    array = grid.numpy()
    ours = milliseconds(lambda: ck.curve_codes(grid, batch, "hilbert"), repeats=9)
    peer = milliseconds(lambda: hilbert_numpy(array, 16), repeats=3)
    yield Row("curve_codes", "Hilbert, 1M", "vectorised numpy", ours, peer, 30, moved=size(grid, batch) + 8 * n)


def codes(axes: int = 640, rows: int = 1024) -> Iterator[Row]:
    """A chunk of lifted rows from its unpacked codes."""
    draw = torch.Generator().manual_seed(0)
    order = torch.randperm(axes * rows.bit_length(), generator=draw).int()
    data = torch.randint(0, 256, (rows * axes,), generator=draw, dtype=torch.uint8)
    peer_of = decode_torch(order, axes, rows)
    ours = milliseconds(lambda: ck.decode_rows(data, 0, order, axes, rows), repeats=15)
    peer = milliseconds(lambda: peer_of(data), repeats=5)
    yield Row(
        "decode_rows",
        f"{rows} rows of {axes} axes",
        "numpy take, torch",
        ours,
        peer,
        moved=size(data) + 4 * rows * axes,
    )
