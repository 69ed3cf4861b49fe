"""Rows of the products with G, the blending weights summed onto patches."""

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

import chorus_kernels as ck
from benchmarks.scenes import camera, room
from benchmarks.table import Row
from benchmarks.timing import in_turns, milliseconds
from benchmarks.timing import size as bytes_of
from chorus_kernels import reference


def lifting() -> Iterator[Row]:
    """Patch features onto Gaussians, with and without the making of G, and how exact the result is."""
    n, size, grid, channels = 10000, 224, 16, 768
    scene, view = room(n), camera(size)
    patches = torch.randn(grid * grid, channels)
    patched = {"patch_rows": grid, "patch_cols": grid}
    weights = ck.patch_weights(*scene[:4], view, **patched)
    image = patches.view(1, grid, grid, channels).permute(0, 3, 1, 2)

    def full() -> Tensor:
        up = (
            functional.interpolate(image, size=(size, size), mode="bilinear", align_corners=False)
            .permute(0, 2, 3, 1)
            .contiguous()
        )
        colors = torch.zeros(n, channels, requires_grad=True)
        ck.rasterize(*scene[:4], colors, view).colors.backward(up)
        return colors.grad

    build = milliseconds(lambda: ck.patch_weights(*scene[:4], view, **patched), repeats=7)
    product = milliseconds(lambda: ck.lift(weights, patches), repeats=7)
    peer = milliseconds(full, repeats=2)
    case = f"10k, {size}x{size}, {grid}x{grid} patches, C={channels}"
    against = "full-resolution lift of the upsampled map"
    error = _lift_error(scene, view, weights, patches)
    flops = 2 * weights.values.numel() * channels
    moved = bytes_of(weights.indices, weights.values, patches) + 4 * n * channels
    yield Row("lift", f"{case}, weights cached", against, product, peer, 40, note=error, flops=flops, moved=moved)
    note = f"weights {build:.1f} ms, {weights.values.numel()} non-zeros"
    yield Row("patch_weights + lift", case, against, build + product, peer, 20, note=note)
    half = patches.half()
    halved = milliseconds(lambda: ck.lift(weights, half), repeats=7)
    yield Row("lift", f"{case}, half features", "float32 features", halved, product)


def _lift_error(scene: tuple[Tensor, ...], view: ck.Views, weights: ck.PatchWeights, patches: Tensor) -> str:
    """Against float64, over all pixels: the dense definition of G, then the product."""
    exact = [x.double() for x in scene[:4]]
    size, grid = view.width, math.isqrt(len(patches))
    up = reference.upsampling(grid, grid, height=size, width=size, footprint="bilinear", dtype=torch.float64)
    g = torch.zeros(len(scene[0]), up.shape[1], dtype=torch.float64)
    for chunk in torch.arange(size * size).split(512):
        w, order, _ = reference.blend_weights(*exact, view.to(torch.float64), pixels=chunk)
        g.index_add_(0, order, w.T @ up[chunk])
    want = g @ patches.double()
    return f"relative error {((ck.lift(weights, patches) - want).norm() / want.norm()).item():.1e} of float64"


def render_and_distill() -> Iterator[Row]:
    """A step of adaptation: the student's features rendered at patch resolution and the gradient back, G made
    before."""
    n, size, grid, channels = 10000, 224, 16, 768
    scene, view = room(n), camera(size)
    weights = ck.patch_weights(*scene[:4], view, patch_rows=grid, patch_cols=grid)
    feats, target = torch.randn(n, channels, requires_grad=True), torch.randn(grid * grid, channels)
    ck.render_features(weights, feats)  # the transpose is made once

    def cached() -> None:
        torch.autograd.grad(ck.render_features(weights, feats), feats, target)

    def full() -> None:
        image = ck.rasterize(*scene[:4], feats, view).colors
        small = functional.adaptive_avg_pool2d(image.permute(0, 3, 1, 2), grid)
        torch.autograd.grad(small, feats, target.view(1, grid, grid, channels).permute(0, 3, 1, 2))

    ours, peer = in_turns(cached, full, rounds=5)
    flops, moved = 4 * weights.values.numel() * channels, 2 * bytes_of(weights.indices, weights.values, feats, target)
    case = f"cached weights, 10k, C={channels}, forward+backward"
    yield Row("render_features", case, "full-resolution feature render", ours, peer, 35, flops=flops, moved=moved)
