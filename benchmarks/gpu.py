"""Every stage on a card, and gsplat and spconv beside the CPU's kernels: ``python -m benchmarks.gpu``.

Stages: milliseconds and the card's peak memory at the paper's size. Ops: `ratio` is the card's speed over ours on one
CPU core.
"""

import time
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

import torch
import tyro

import chorus_kernels as ck
from benchmarks.scenes import camera, room, surface_voxels
from benchmarks.stages import PAPER, SMALL, Line, lines
from benchmarks.table import Row, put_into, report
from benchmarks.timing import leaves, milliseconds
from chorus.device import device_name
from chorus.params import load_params
from chorus_kernels.conv_cuda import spconv_functional

COLUMNS = ("stage", "case", "ms", "GiB", "goal on an H100")


def why_not(device: str, *, small: bool) -> str | None:
    """What is missing for a run, in one line; None when nothing is."""
    if device == "cpu":
        return None if small else "the paper's size is for a card; on the CPU add --small, which checks, not times"
    if not torch.cuda.is_available():
        return f"no CUDA device is visible to torch {torch.__version__}"
    try:
        __import__("gsplat")
    except ImportError as error:
        return f"gsplat does not load ({error}); pip install 'chorus-gs[gpu]'"
    return None


def device_milliseconds(run: Callable[[], object], *, repeats: int = 20) -> float:
    """Least wall time of a call, the device idle before and after."""
    run()
    best = float("inf")
    for _ in range(repeats):
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def gpu_rows() -> Iterator[Row]:
    """The same calls with tensors on the device, where gsplat and spconv do the work."""
    yield from _compare("rasterize", "20k at 256x256, forward+backward", "gsplat", _rasterizing(20_000, 256))
    yield from _compare("rasterize", "100k at 512x512, forward+backward", "gsplat", _rasterizing(100_000, 512))
    yield from _compare("patch_weights + lift", "10k, 224x224, 16x16 patches, C=768", "gsplat's backward", _lifting())
    peer = "spconv" if spconv_functional() is not None else "torch"
    for channels in (32, 64):
        yield from _compare(
            "submanifold_conv", f"50k voxels {channels}->{channels}, forward+backward", peer, _convolving(channels)
        )


def _compare(op: str, case: str, peer: str, make: Callable[[str], Callable[[], object]]) -> Iterator[Row]:
    name = torch.cuda.get_device_name()
    ours, theirs = milliseconds(make("cpu"), repeats=3), device_milliseconds(make("cuda"))
    yield Row(op, case, f"{peer} on {name}", ours, theirs, device="cuda", note=f"{ours / theirs:.0f}x faster there")


def _rasterizing(n: int, size: int) -> Callable[[str], Callable[[], object]]:
    def make(device: str) -> Callable[[], object]:
        scene, view = [x.to(device) for x in room(n)], camera(size).to(device)

        def step() -> None:
            out = ck.rasterize(*leaves(*scene), view)
            torch.autograd.backward(out[:3], [torch.ones_like(x) for x in out[:3]])

        return step

    return make


def _lifting() -> Callable[[str], Callable[[], object]]:
    def make(device: str) -> Callable[[], object]:
        scene, view = [x.to(device) for x in room(10_000)[:4]], camera(224).to(device)
        patches = torch.randn(256, 768, device=device)
        return lambda: ck.lift(ck.patch_weights(*scene, view, patch_rows=16, patch_cols=16), patches)

    return make


def _convolving(channels: int) -> Callable[[str], Callable[[], object]]:
    def make(device: str) -> Callable[[], object]:
        grid = surface_voxels(50_000).to(device)
        table = ck.neighbors(grid, torch.zeros(len(grid), dtype=torch.int64, device=device))
        feat, weight = (
            torch.randn(len(grid), channels, device=device),
            torch.randn(channels, 3, 3, 3, channels, device=device),
        )
        return lambda: ck.submanifold_conv(*leaves(feat, weight), table).backward(feat)

    return make


def cells(line: Line) -> tuple[str, ...]:
    """The line as text, in the order of COLUMNS."""
    memory = "" if line.gib is None else f"{line.gib:.2f}"
    return line.stage, line.case, f"{line.milliseconds:.2f}", memory, line.goal


def installed(name: str) -> str:
    """A package with its version."""
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return f"no {name}"


def main(
    *,
    device: Literal["cuda", "cpu"] = "cuda",
    small: bool = False,
    ops: bool = True,
    json: Path | None = None,
    markdown: Path | None = None,
) -> None:
    """Measure every stage on this machine's CUDA device, then its ops beside one CPU core.

    Args:
        device: cpu, with --small, runs the same code without a card: that it is right, not how fast it is.
        small: A few hundred Gaussians in place of the paper's size.
        ops: Also the ops (on a card).
        json: Write the rows of the ops there.
        markdown: Write the table of the stages there, between <!-- benchmark --> and <!-- end of benchmark -->.
    """
    missing = why_not(device, small=small)
    if missing:
        raise SystemExit(f"benchmarks.gpu: {missing}")
    torch.set_num_threads(1)
    where = torch.device(device, 0) if device == "cuda" else torch.device(device)
    head = ", ".join((device_name(where), f"torch {torch.__version__}", installed("gsplat"), installed("spconv")))
    table = [COLUMNS, ("---",) * len(COLUMNS)]
    params = load_params(Path(__file__).parents[1] / "params.yaml")
    print(head, "| " + " | ".join(COLUMNS) + " |", sep="\n\n", flush=True)
    for line in lines(SMALL if small else PAPER, params, where, repeats=1 if small else 10):
        table.append(cells(line))
        print("| " + " | ".join(table[-1]) + " |", flush=True)
    if markdown:
        put_into(markdown, f"{head}\n\n" + "\n".join("| " + " | ".join(row) + " |" for row in table))
    if ops and device == "cuda":
        beside = f"{device_name(where)} beside one CPU core"
        report(beside, gpu_rows(), float("nan"), json_file=json, markdown_file=None)


if __name__ == "__main__":
    tyro.cli(main)
