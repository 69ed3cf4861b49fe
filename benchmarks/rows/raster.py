"""Rows of the rasteriser: colours, and features of many channels, at full resolution."""

from collections.abc import Iterator

import torch
from torch import Tensor

import chorus_kernels as ck
from benchmarks.peers import tile_loop
from benchmarks.scenes import camera, room
from benchmarks.table import Row
from benchmarks.timing import leaves, milliseconds, size
from chorus_kernels import reference

# Operations a blend: offset and exponent 7, power of two 12, alpha and transmittance 5, four channels 8; backward does
# these again, then
# the pixel's gradient 15, the shape's moments 16, the channels' 4, and the sums over pixels 10.
FORWARD_FLOPS, STEP_FLOPS = 32, 32 + 32 - 8 + 45
TILES = (16, 32, 64)  # the peer gets the best of these


def best_tile(scene: tuple[Tensor, ...], view: ck.Views) -> int:
    """The tile size that the peer is fastest with."""
    with torch.no_grad():
        return min(TILES, key=lambda tile: milliseconds(lambda: tile_loop(*scene, view, tile=tile), repeats=1))


def rasterizing(
    n: int, side: int, *, ratios: tuple[float, float], limits: tuple[float, float], repeats: int
) -> Iterator[Row]:
    """Colours, depth and alpha of the reference scene; ratios and limits (ms) of forward, and of forward and
    backward."""
    scene, view = room(n), camera(side)
    tile = best_tile(scene, view)
    against = f"torch tile loop ({tile} px)"
    case = f"{n // 1000}k at {side}x{side}"
    blends = ck.patch_weights(*scene[:4], view, patch_rows=side, patch_cols=side, footprint="box").values.numel()
    moved = size(*scene) + 4 * 5 * side * side
    with torch.no_grad():
        ours = milliseconds(lambda: ck.rasterize(*scene, view), repeats=9)
        peer = milliseconds(lambda: tile_loop(*scene, view, tile=tile), repeats=repeats)
    yield Row(
        "rasterize",
        f"{case}, forward",
        against,
        ours,
        peer,
        ratios[0],
        limits[0],
        flops=FORWARD_FLOPS * blends,
        moved=moved,
    )

    def step(render) -> None:
        out = render(*leaves(*scene))
        torch.autograd.backward(out[:3], [torch.ones_like(x) for x in out[:3]])

    ours = milliseconds(lambda: step(lambda *s: ck.rasterize(*s, view)), repeats=9)
    peer = milliseconds(lambda: step(lambda *s: tile_loop(*s, view, tile=tile)), repeats=repeats)
    yield Row(
        "rasterize",
        f"{case}, forward+backward",
        against,
        ours,
        peer,
        ratios[1],
        limits[1],
        flops=STEP_FLOPS * blends,
        moved=3 * moved,
    )


def features(channels: int, at_least: float, repeats: int) -> Iterator[Row]:
    """Many channels a Gaussian, with the gradient of the features alone."""
    scene, view = room(20000), camera(256)
    colors = torch.rand(20000, channels)
    tile = best_tile((*scene[:4], colors), view)

    def step(render) -> None:
        c = colors.clone().requires_grad_()
        out = render(*scene[:4], c)[0]
        out.backward(torch.ones_like(out))

    ours = milliseconds(lambda: step(lambda *s: ck.rasterize(*s, view)), repeats=3)
    peer = milliseconds(lambda: step(lambda *s: tile_loop(*s, view, tile=tile)), repeats=repeats)
    blends = ck.patch_weights(*scene[:4], view, patch_rows=256, patch_cols=256, footprint="box").values.numel()
    case = f"C={channels}, 20k at 256x256, forward+backward of features"
    moved = 2 * size(colors) + 2 * 4 * channels * 256**2
    yield Row(
        "rasterize",
        case,
        f"torch tile loop ({tile} px)",
        ours,
        peer,
        at_least,
        flops=4 * blends * channels,
        moved=moved,
    )


def similarity() -> Iterator[Row]:
    """Structural similarity, which fitting pays for at every step."""
    a, b = torch.rand(1, 192, 256, 3), torch.rand(1, 192, 256, 3)
    kernel = torch.exp(-((torch.arange(11) - 5.0) ** 2) / 4.5)
    ours = milliseconds(lambda: ck.ssim(a.clone().requires_grad_(), b).backward(), repeats=9)
    peer = milliseconds(
        lambda: reference.ssim(a.clone().requires_grad_(), b, kernel / kernel.sum()).backward(), repeats=3
    )
    yield Row("ssim", "256x192, forward+backward", "torch convolutions", ours, peer)
