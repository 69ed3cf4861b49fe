"""The rows of the benchmark: one function per group, each yielding rows."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import torch
from peers import hilbert_numpy, tile_loop
from scenes import camera, room, surface_voxels
from timing import Row, milliseconds
from torch import Tensor
from torch.nn import functional

import chorus_kernels as ck
from chorus_kernels import dispatch, reference

TILES = (16, 32, 64)  # the peer gets the best of these


def leaves(*tensors: Tensor) -> list[Tensor]:
    return [x.detach().clone().requires_grad_() for x in tensors]


def best_tile(scene: tuple[Tensor, ...], view: dict) -> int:
    with torch.no_grad():
        return min(TILES, key=lambda tile: milliseconds(lambda: tile_loop(*scene, **view, tile=tile), repeats=1))


def rasterizing(n: int, size: int, *, ratios: tuple[float, float], limits: tuple[float, float], repeats: int) -> Iterator[Row]:
    scene, view = room(n), camera(size)
    tile = best_tile(scene, view)
    against = f"torch tile loop ({tile} px)"
    case = f"{n // 1000}k at {size}x{size}"
    blends = ck.patch_weights(*scene[:4], **view, patch_rows=size, patch_cols=size, footprint="box").values.numel()
    with torch.no_grad():
        ours = milliseconds(lambda: ck.rasterize(*scene, **view), repeats=9)
        peer = milliseconds(lambda: tile_loop(*scene, **view, tile=tile), repeats=repeats)
    yield Row("rasterize", f"{case}, forward", against, ours, peer, ratios[0], limits[0], f"{blends / ours / 1e6:.2f} G blends/s")

    def step(render) -> None:
        out = render(*leaves(*scene))
        torch.autograd.backward(out[:3], [torch.ones_like(x) for x in out[:3]])

    ours = milliseconds(lambda: step(lambda *s: ck.rasterize(*s, **view)), repeats=9)
    peer = milliseconds(lambda: step(lambda *s: tile_loop(*s, **view, tile=tile)), repeats=repeats)
    yield Row("rasterize", f"{case}, forward+backward", against, ours, peer, ratios[1], limits[1], f"{blends / ours / 1e6:.2f} G blends/s")


def features(channels: int, at_least: float, repeats: int) -> Iterator[Row]:
    scene, view = room(20000), camera(256)
    colors = torch.rand(20000, channels)
    tile = best_tile((*scene[:4], colors), view)

    def step(render) -> None:
        c = colors.clone().requires_grad_()
        out = render(*scene[:4], c)[0]
        out.backward(torch.ones_like(out))

    ours = milliseconds(lambda: step(lambda *s: ck.rasterize(*s, **view)), repeats=3)
    peer = milliseconds(lambda: step(lambda *s: tile_loop(*s, **view, tile=tile)), repeats=repeats)
    blends = ck.patch_weights(*scene[:4], **view, patch_rows=256, patch_cols=256, footprint="box").values.numel()
    note = f"{4 * blends * channels / ours / 1e6:.0f} GF/s"
    yield Row("rasterize", f"C={channels}, 20k at 256x256, forward+backward of features", f"torch tile loop ({tile} px)", ours, peer, at_least, note=note)


def lifting() -> Iterator[Row]:
    n, size, grid, channels = 10000, 224, 16, 768
    scene, view = room(n), camera(size)
    patches = torch.randn(grid * grid, channels)
    options = {**view, "patch_rows": grid, "patch_cols": grid}
    weights = ck.patch_weights(*scene[:4], **options)
    image = patches.view(1, grid, grid, channels).permute(0, 3, 1, 2)

    def full() -> Tensor:
        up = functional.interpolate(image, size=(size, size), mode="bilinear", align_corners=False).permute(0, 2, 3, 1).contiguous()
        colors = torch.zeros(n, channels, requires_grad=True)
        ck.rasterize(*scene[:4], colors, **view).colors.backward(up)
        return colors.grad

    build = milliseconds(lambda: ck.patch_weights(*scene[:4], **options), repeats=7)
    product = milliseconds(lambda: ck.lift(weights, patches), repeats=7)
    peer = milliseconds(full, repeats=2)
    case = f"10k, {size}x{size}, {grid}x{grid} patches, C={channels}"
    against = "full-resolution lift of the upsampled map"
    error = _lift_error(scene, options, weights, patches)
    yield Row("lift", f"{case}, weights cached", against, product, peer, 40, note=f"{_gflops(weights, channels, product)} GF/s; {error}")
    yield Row("patch_weights + lift", case, against, build + product, peer, 20, note=f"weights {build:.1f} ms, {weights.values.numel()} non-zeros")
    half = patches.half()
    halved = milliseconds(lambda: ck.lift(weights, half), repeats=7)
    yield Row("lift", f"{case}, half features", "float32 features", halved, product)


def _lift_error(scene, options, weights, patches) -> str:
    """Against float64 on every 97th Gaussian, over all pixels."""
    exact = [x.double() for x in scene[:4]]
    size = options["width"]
    up = reference.upsampling(options["patch_rows"], options["patch_cols"], height=size, width=size, footprint="bilinear", dtype=torch.float64)
    got, total = ck.lift(weights, patches), torch.zeros(len(scene[0]), patches.shape[1], dtype=torch.float64)
    viewmat, K = options["viewmats"][0].double(), options["Ks"][0].double()
    for chunk in torch.arange(size * size).split(512):
        w, order, _ = reference.blend_weights(*exact, viewmat=viewmat, K=K, width=size, height=size, pixels=chunk)
        total.index_add_(0, order, w.T @ (up[chunk] @ patches.double()))
    return f"relative error {((got - total).norm() / total.norm()).item():.1e} of float64"


def _gflops(weights, channels: int, ms: float) -> str:
    return f"{2 * weights.values.numel() * channels / ms / 1e6:.0f}"


def render_and_distill() -> Iterator[Row]:
    n, size, grid, channels = 10000, 224, 16, 768
    scene, view = room(n), camera(size)
    weights = ck.patch_weights(*scene[:4], **view, patch_rows=grid, patch_cols=grid)
    feats, target = torch.randn(n, channels, requires_grad=True), torch.randn(grid * grid, channels)
    ck.render_features(weights, feats)  # the transpose is made once

    def cached() -> None:
        torch.autograd.grad(ck.render_features(weights, feats), feats, target)

    def full() -> None:
        image = ck.rasterize(*scene[:4], feats, **view).colors
        small = functional.adaptive_avg_pool2d(image.permute(0, 3, 1, 2), grid)
        torch.autograd.grad(small, feats, target.view(1, grid, grid, channels).permute(0, 3, 1, 2))

    ours, peer = milliseconds(cached, repeats=7), milliseconds(full, repeats=2)
    yield Row("render_features", f"cached weights, 10k, C={channels}, forward+backward", "full-resolution feature render", ours, peer, 35)


def voxels(n: int = 50000) -> Iterator[Row]:
    grid = surface_voxels(n)
    batch = torch.zeros(len(grid), dtype=torch.int64)
    table = ck.neighbours(grid, batch)
    pairs = int((table >= 0).sum())
    for c in (32, 64):
        feat, weight, outer = torch.randn(len(grid), c), torch.randn(c, 3, 3, 3, c), torch.randn(len(grid), c)

        def step(conv, feat=feat, weight=weight, outer=outer) -> None:
            conv(*leaves(feat, weight), table).backward(outer)

        ours = milliseconds(lambda: step(ck.submanifold_conv), repeats=5)
        peer = milliseconds(lambda: step(reference.submanifold_conv), repeats=3)
        note = f"{6 * pairs * c * c / ours / 1e6:.0f} GF/s, {pairs / len(grid):.1f} neighbours"
        yield Row("submanifold_conv", f"{n // 1000}k voxels {c}->{c}, forward+backward", "torch gather-GEMM-scatter", ours, peer, 4, note=note)
    ours = milliseconds(lambda: ck.neighbours(grid, batch), repeats=9)
    peer = milliseconds(lambda: reference.neighbours(grid, batch), repeats=3)
    yield Row("neighbours", f"{n // 1000}k voxels", "torch sort and searchsorted", ours, peer, 9)


def curves(n: int = 1_000_000) -> Iterator[Row]:
    grid = torch.randint(0, 2**16, (n, 3), generator=torch.Generator().manual_seed(0), dtype=torch.int32)
    batch = torch.zeros(n, dtype=torch.int64)
    array = grid.numpy()
    ours = milliseconds(lambda: ck.curve_codes(grid, batch, "hilbert"), repeats=9)
    peer = milliseconds(lambda: hilbert_numpy(array, 16), repeats=3)
    yield Row("curve_codes", "Hilbert, 1M", "vectorised numpy", ours, peer, 30)


def similarity() -> Iterator[Row]:
    a, b = torch.rand(1, 192, 256, 3), torch.rand(1, 192, 256, 3)
    kernel = torch.exp(-((torch.arange(11) - 5.0) ** 2) / 4.5)
    ours = milliseconds(lambda: ck.ssim(a.clone().requires_grad_(), b).backward(), repeats=9)
    peer = milliseconds(lambda: reference.ssim(a.clone().requires_grad_(), b, kernel / kernel.sum()).backward(), repeats=3)
    yield Row("ssim", "256x192, forward+backward", "torch convolutions", ours, peer)


ISA_SCRIPT = """
import sys; sys.path.insert(0, {folder!r})
import torch, chorus_kernels as ck
from scenes import room, camera
from timing import milliseconds
torch.set_num_threads(1)
scene, view = room(20000), camera(256)
with torch.no_grad():
    print(milliseconds(lambda: ck.rasterize(*scene, **view), repeats=15))
"""


def instruction_sets() -> Iterator[Row]:
    """How much a machine with a lesser instruction set loses: `ratio` is below one, at least 1/2 and 1/4."""
    best = dispatch.native().isa
    script = ISA_SCRIPT.format(folder=os.path.dirname(os.path.abspath(__file__)))
    times = {}
    for isa in {"avx512": ["avx512", "avx2", "sse42"], "avx2": ["avx2", "sse42"]}.get(best, []):
        done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "CHORUS_ISA": isa}, capture_output=True, text=True, check=True)
        times[isa] = float(done.stdout)
    for isa, at_least in (("avx2", 0.5), ("sse42", 0.25)):
        if isa in times and best == "avx512":
            yield Row("rasterize", f"20k at 256x256, forward, {isa} build", f"{best} build", times[isa], times[best], at_least)


def threads() -> Iterator[Row]:
    """Wall time of two threads; means something only on an otherwise idle machine."""
    scene, view = room(100000), camera(512)
    times = []
    for count in (1, 2):
        torch.set_num_threads(count)
        with torch.no_grad():
            times.append(milliseconds(lambda: ck.rasterize(*scene, **view), repeats=9, clock=time.perf_counter))
    torch.set_num_threads(1)
    yield Row("rasterize", "100k at 512x512, forward, two threads (wall)", "one thread", times[1], times[0], 1.8)


def all_rows(quick: bool) -> Iterator[Row]:
    yield from rasterizing(20000, 256, ratios=(45, 70), limits=(13, 28), repeats=2)
    if not quick:
        yield from rasterizing(100000, 512, ratios=(50, 90), limits=(65, 130), repeats=1)
    yield from features(64, 18, 2)
    if not quick:
        yield from features(768, 8, 1)
    yield from lifting()
    yield from render_and_distill()
    yield from voxels()
    yield from curves()
    yield from similarity()
    yield from instruction_sets()
    yield from threads()
