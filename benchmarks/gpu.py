"""gsplat and spconv on the work of the kernels' rows, where CUDA is present: ``python -m benchmarks.gpu``.

`ratio` is their speed over ours on one CPU core.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import tyro

import chorus_kernels as ck
from benchmarks.scenes import camera, room, surface_voxels
from benchmarks.table import Row, report
from benchmarks.timing import leaves, milliseconds


def why_not() -> str | None:
    """What is missing for these rows, in one line; None when nothing is."""
    if not torch.cuda.is_available():
        return f"no CUDA device is visible to torch {torch.__version__}"
    for module in ("gsplat", "spconv"):
        try:
            __import__(module)
        except ImportError as error:
            return f"{module} does not load ({error}); pip install 'chorus-gs[gpu]'"
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
    for channels in (32, 64):
        yield from _compare(
            "submanifold_conv", f"50k voxels {channels}->{channels}, forward+backward", "spconv", _convolving(channels)
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


def main(json: Path | None = None, markdown: Path | None = None) -> None:
    """Measure the same work on this machine's CUDA device.

    Args:
        json: Write the rows there.
        markdown: Write a table there, between its marks <!-- benchmark --> and <!-- end of benchmark -->.
    """
    missing = why_not()
    if missing:
        raise SystemExit(f"benchmarks.gpu: {missing}")
    torch.set_num_threads(1)
    head = f"{torch.cuda.get_device_name()} beside one CPU core"
    report(head, gpu_rows(), float("nan"), json_file=json, markdown_file=markdown)


if __name__ == "__main__":
    tyro.cli(main)
