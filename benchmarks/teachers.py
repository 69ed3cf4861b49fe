"""What masks, stored features and rendering weights of teachers cost: ``python -m benchmarks.teachers nms | storage |
weights``; the tables stand in chorus/teachers/README.md."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from torch import Tensor

from benchmarks.timing import milliseconds
from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.errors import InputError
from chorus.scene import GaussianScene, scene_from_colors
from chorus.splat.weights import load_weights, save_weights, scene_weights
from chorus.teachers.compress import compress
from chorus.teachers.embedded.trunk import weights_file
from chorus.teachers.foundation.pixels import HALF_MEAN, HALF_STD, to_pixels, whole_patches
from chorus.teachers.nms import mask_nms, pack
from chorus_kernels import lift

import timm  # isort: skip - after the shim that makes torchvision importable

PAPER = {
    "lang (SigLIP2)": (32 * 32, 1152),
    "dino (DINOv3)": (30 * 40, 1024),
    "object (PE-Spatial)": (34 * 46, 1024),
}  # patches of a 640 x 480 view, channels
VIEWS, GAUSSIANS = 300, 965_000


def nms(counts: tuple[int, ...] = (500, 1000, 3000), loop_up_to: int = 500) -> None:
    """Mask suppression at IoU 0.7 on 480 x 640 images: packed and vectorised, against a loop over pairs. CPU seconds,
    best of three.

    loop_up_to: the loop is timed up to so many masks; beyond, its time is scaled with the square of their number.
    """
    print(f"{'masks':>6} {'kept':>6} {'pack s':>8} {'suppress s':>11} {'loop over pairs s':>18}")
    per_pair = 0.0
    for count in counts:
        masks, scores = _blobs(count), np.random.default_rng(1).random(count)
        packing = _seconds(functools.partial(pack, masks))
        packed = pack(masks)
        suppress = _seconds(functools.partial(mask_nms, packed, scores, 0.7))
        if count <= loop_up_to:
            slow = _seconds(functools.partial(_loop_over_pairs, masks, scores, 0.7), repeats=1)
            per_pair = slow / count**2
        note = "" if count <= loop_up_to else " (scaled)"
        print(
            f"{count:6d} {len(mask_nms(packed, scores, 0.7)):6d} {packing:8.2f} {suppress:11.3f} "
            f"{per_pair * count**2:18.1f}{note}"
        )


def storage(capture: Path, gaussians: int = 40_000) -> None:
    """Size against error of stored patch features, on the 1280-channel map of an ImageNet network over the capture's
    images, lifted with the real weights.

    capture: a folder with depth; its pixels become the Gaussians. Sizes are the bits a value measured here, times the
    values of the paper's three teachers at 300 views of 640 x 480 and all else that is kept (bases, coverage,
    validity), as a share of three N x C half arrays for 965 000 Gaussians. The rendering weights are made again at each
    use (:func:`weights`).
    """
    views = Capture.load(capture)
    scene = scene_of_depth(views, gaussians)
    maps = network_maps(views.images)
    rows, cols, channels = maps.shape[1:]
    weights = scene_weights(scene, views.cameras, rows=rows, columns=cols)
    seen = weights.total > 1e-3
    flat, total = maps.flatten(0, 2), weights.total[seen][:, None]
    exact = lift(weights, flat)[seen] / total
    naive = GAUSSIANS * sum(c for _, c in PAPER.values()) * 2
    print(
        f"{len(views)} views, {rows} x {cols} patches of {channels} channels, {int(seen.sum())} Gaussians; "
        f"naive {naive / 1e9:.2f} GB"
    )
    print(
        f"{'stored as':>16} {'MB':>6} {'of naive':>9} {'patch cosine: mean, 1 %':>24} {'lifted: mean, 1 %':>18} "
        f"{'centred, lifted: mean, 1 %':>27}"
    )
    values = VIEWS * sum(p * c for p, c in PAPER.values())
    beside = GAUSSIANS * len(PAPER) + 4 * VIEWS * sum(p for p, _ in PAPER.values())  # validity and coverage
    mean = flat.mean(dim=0)
    for label, error in (("half", 0.0), *((f"int8, error {e}", e) for e in (0.01, 0.02, 0.04, 0.06, 0.1))):
        small = compress(flat, error=error) if error else None
        back = small.expand() if small else flat.half().float()
        bits = 8 * sum(map(len, small.streams)) / flat.numel() if small else 16
        axes = sum(c * c * 2 for _, c in PAPER.values()) if small else 0  # a basis each, at most
        lifted = lift(weights, back.half())[seen] / total
        size = values * bits / 8 + axes + beside
        columns = [_cosines(back, flat), _cosines(lifted, exact), _cosines(lifted - mean, exact - mean)]
        print(
            f"{label:>16} {size / 1e6:6.0f} {size / naive:9.1%} "
            + " ".join(f"{m:12.5f} {low:9.5f}" for m, low in columns)
        )


def weights(capture: Path, gaussians: tuple[int, ...] = (12_000, 100_000, 965_000), views: int = 2) -> None:
    """The rendering weights G: how large they are, and what it costs to make them again instead of reading them. CPU
    seconds, one thread.

    capture: a folder with depth; its pixels become the Gaussians. First the capture's own image size on a grid of
    8-pixel patches, then 640 x 480 on the grids of the paper's three teachers. Entries, sizes and seconds are a view's,
    means over the first ``views`` views.
    """
    capture_views = Capture.load(capture)
    few = capture_views.cameras.select(slice(0, views))
    cases = [(few, (few.height // 8, few.width // 8), 600)]
    cases += [
        (few.resized(640, 480), grid, channels)
        for grid, channels in (((32, 32), 1152), ((30, 40), 1024), ((34, 46), 1024))
    ]
    print(
        f"{'Gaussians':>9} {'image':>9} {'grid':>6} {'entries a Gaussian':>19} {'MB':>6} {'make s':>7} "
        f"{'read s':>7} {'lift s':>7}  a view"
    )
    for count in gaussians:
        scene = scene_of_depth(capture_views, count)
        for cameras, (rows, columns), channels in cases:
            make = functools.partial(scene_weights, scene, cameras, rows=rows, columns=columns)
            making, made = _seconds(make, repeats=2), make()
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "weights.safetensors"
                save_weights(path, {"g": made})
                size, reading = path.stat().st_size, _seconds(functools.partial(load_weights, path, "g"))
            maps = torch.rand(made.shape[1], channels).half()
            lifting = _seconds(functools.partial(lift, made, maps), repeats=1)
            entries = len(made.values) / len(scene) / views
            seconds = " ".join(f"{s / views:7.3f}" for s in (making, reading, lifting))
            image, grid = f"{cameras.width}x{cameras.height}", f"{rows}x{columns}"
            print(f"{count:9d} {image:>9} {grid:>6} {entries:19.2f} {size / views / 1e6:6.2f} {seconds}")


def _blobs(count: int, height: int = 480, width: int = 640) -> np.ndarray:
    """[M, H, W] ellipses, four near-copies of each: what a grid of points finds before suppression."""
    rng = np.random.default_rng(0)
    kinds = max(1, count // 4)
    center, radius = (
        rng.random((kinds, 2)) * (height, width),
        np.maximum(rng.random((kinds, 2)) ** 2 * 0.25 * (height, width), 3.0),
    )
    y, x = np.ogrid[:height, :width]
    masks = np.zeros((count, height, width), bool)
    for i in range(count):
        c, r = center[i % kinds] + rng.normal(size=2), radius[i % kinds] * (1 + 0.05 * rng.normal(size=2))
        masks[i] = ((y - c[0]) / r[0]) ** 2 + ((x - c[1]) / r[1]) ** 2 < 1
    return masks


def _loop_over_pairs(masks: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """The usual way: all pairs of intersections and unions, one after another."""
    order = np.argsort(-scores)
    kept = np.ones(len(masks), bool)
    for a, i in enumerate(order):
        for j in order[a + 1 :]:
            union = np.logical_or(masks[i], masks[j]).sum()
            if np.logical_and(masks[i], masks[j]).sum() > threshold * union:
                kept[j] = False
    return np.flatnonzero(kept)


def _seconds(run: Callable[[], object], repeats: int = 3) -> float:
    return milliseconds(run, repeats=repeats) / 1e3


def scene_of_depth(views: Capture, count: int) -> GaussianScene:
    """Small round Gaussians on what the depth maps saw."""
    cameras: Cameras = views.cameras
    if views.depth is None:
        raise InputError("measure", expected="views with depth", got="none")
    known = views.depth > 0
    v, y, x = np.nonzero(known)
    pick = np.random.default_rng(0).choice(len(v), min(count, len(v)), replace=False)
    world = np.concatenate([cameras.unproject(i, depth)[known[i]] for i, depth in enumerate(views.depth)])
    means = torch.from_numpy(world[pick]).float()
    v, y, x = v[pick], y[pick], x[pick]
    size = torch.from_numpy(1.5 * views.depth[v, y, x] / cameras.K[v, 0, 0]).float()  # about three pixels across
    quats = torch.tensor([1.0, 0, 0, 0]).expand(len(means), 4)
    return scene_from_colors(
        means,
        quats,
        size[:, None].expand(-1, 3),
        torch.full((len(means),), 0.9),
        torch.from_numpy(views.images[v, y, x] / 255.0).float(),
    )


def network_maps(images: np.ndarray, long_side: int = 1024) -> Tensor:
    """images [V, H, W, 3] uint8 -> [V, h, w, 1280] from EfficientNet-Lite0's last convolution: real features of a
    trained network, wider than they are deep."""
    network: Any = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    weights = torch.load(weights_file(), map_location="cpu", weights_only=True)
    network.load_state_dict(
        dict(zip(network.state_dict(), weights.values(), strict=True))
    )  # the same arrays in the same order
    size = whole_patches(*images.shape[1:3], patch=32, long_side=long_side)
    maps = []
    for image in images:
        with torch.no_grad():
            pixels = to_pixels(torch.from_numpy(image)[None] / 255, size, mean=HALF_MEAN, std=HALF_STD)
            maps.append(network.forward_features(pixels)[0].permute(1, 2, 0))
    return torch.stack(maps)


def _cosines(a: Tensor, b: Tensor) -> tuple[float, float]:
    """Mean and first percentile."""
    cosine = torch.nn.functional.cosine_similarity(a, b, dim=1).double().numpy()
    return float(cosine.mean()), float(np.percentile(cosine, 1))


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"nms": nms, "storage": storage, "weights": weights})
