"""Optimising a scene of Gaussians until it renders like the captured views."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.params import FitParams
from chorus.scene import GaussianScene
from chorus.splat.adam import RowAdam
from chorus.splat.likeness import Exposure, Measured, measure
from chorus.splat.rasterize import Rendered, rasterize, views_of
from chorus.splat.refine import refine
from chorus.splat.seeds import Seeds, spacing, to_gaussians
from chorus.splat.start import starting_seeds
from chorus.splat.weights import scene_weights
from chorus_kernels import Views

_SSIM_WEIGHT, _DEPTH_WEIGHT = 0.2, 0.2
_SCALE_WEIGHT = 0.01  # pull towards small Gaussians (Kheradmand et al. 2024), and away from needles
_MAX_STRETCH = 8.0  # a disk's longer over its shorter radius, beyond which it is a needle
_SMALLEST, _LARGEST = 0.2, 0.1  # standard deviations: of a pixel's footprint, of the scene's extent
_RATES = {
    "means": 0.03,
    "quats": 0.01,
    "log_scales": 0.03,
    "opacity_logits": 0.07,
    "sh": 0.02,
}  # means: in units of the median spacing
_LAST_RATE = 0.1  # of the first, cosine between
_FIRST_SHARE = 0.8  # of the Gaussians are there from the start, the rest go where the error is
_MIN_SEEN = 1.0  # pixels of rendering weight, below which a Gaussian is left out in the end
_REFINE_FROM, _REFINE_UNTIL, _REFINEMENTS = 0.12, 0.75, 7  # shares of all iterations, and how often


@dataclass(frozen=True, kw_only=True)
class FitResult:
    """A fitted scene with what was measured on it."""

    scene: GaussianScene
    metrics: dict  # plain JSON, reproducible
    held_out: Measured  # the views never fitted (the training views where the capture is too short to hold any out)
    seconds: float = field(compare=False, default=0.0)  # wall clock; never written into an artifact


@dataclass(frozen=True)
class Photos:
    """The captured views as tensors, where they are fitted."""

    images: Tensor  # [V, H, W, 3] uint8
    depth: Tensor | None  # [V, H, W] float32 m, 0 where unknown
    cameras: list[Views]  # V of one view each
    train: np.ndarray  # indices of the fitted views
    mask: Tensor | None = None  # [V, H, W] bool, False where a pixel takes no part

    def image(self, view: int) -> Tensor:
        """[H, W, 3] in [0, 1]."""
        return self.images[view].float() / 255.0


def fit_scene(
    capture: Capture,
    params: FitParams,
    *,
    seed: int,
    device: torch.device | str = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> FitResult:
    """Fit Gaussians to every view but each 8th. progress(iteration, iterations) is called now and then.

    Loss (Kerbl et al. 2023): 0.8 L1 + 0.2 (1 - SSIM), and the relative error of the rendered depth where depth is
    known. A gain and a bias a view take up exposure. Same capture, params and seed give the same scene. All of it
    lives on ``device``, which a step never reads; the few refinements do. The scene comes back on the CPU. Raises
    InputError when nothing can start it.
    """
    start = time.perf_counter()
    capture.validate("capture to fit")
    budget, iterations = params.effort(capture.info.get("source"))
    if iterations < 1 or budget < 1:
        raise InputError("fit", expected="at least one iteration and one Gaussian", got=f"{iterations} and {budget}")
    rng = np.random.default_rng(seed)
    views = _photos(capture, device)
    seeds = starting_seeds(capture, views.train, max(1, int(_FIRST_SHARE * budget)), rng)
    adam, unit = _start(seeds, device)
    exposure = Exposure(len(capture), views.train, device)
    state = _State(views, adam, exposure, unit, _size_range(seeds), rng, {})
    refine_at = (
        set(np.linspace(_REFINE_FROM * iterations, _REFINE_UNTIL * iterations, _REFINEMENTS).astype(int))
        if iterations > 40
        else set()
    )
    for iteration, view in enumerate(_order(views.train, iterations, rng)):
        state.step(view, rate=_rate(iteration / iterations))
        if iteration in refine_at:
            left = len([at for at in refine_at if at >= iteration])
            refine(
                capture,
                adam,
                state.renders,
                budget=budget,
                share=1.0 / left,
                footprint=float(np.median(seeds.footprint)),
                rng=rng,
            )
        if progress is not None and iteration % 20 == 0:
            progress(iteration, iterations)
    scene = _drop_unseen(_scene(adam).detached().validate("fitted scene"), capture, views)
    return _result(capture, views, scene, exposure, iterations, time.perf_counter() - start)


@dataclass
class _State:
    """What one optimisation step reads and changes."""

    views: Photos
    adam: RowAdam
    exposure: Exposure
    unit: float  # m, median spacing of the first Gaussians: the yardstick of movements and sizes
    size_range: tuple[float, float]  # of log_scales
    rng: np.random.Generator
    renders: dict  # view -> (absolute error [H, W], rendered depth [H, W]) of its last step

    def step(self, view: int, rate: float) -> None:
        """One step of the Gaussians and of the view's exposure towards that view; what it rendered is kept for
        densification."""
        scene, image = _scene(self.adam), self.views.image(view)
        # A background of its own for each step, or dark surfaces would be fitted as holes.
        background = torch.from_numpy(self.rng.random(3, np.float32))
        out = rasterize(scene, self.views.cameras[view], background=background)
        shown = self.exposure.apply(out.colors[0], view)
        if self.views.mask is not None:  # a pixel that takes no part is right whatever it shows
            shown = torch.where(self.views.mask[view][..., None], shown, image)
        loss = _photometric(shown, image) + self._depth_loss(out, view) + _shape_loss(scene, self.unit)
        loss.backward()
        self.adam.step(rate)
        with torch.no_grad():
            self.adam.params["log_scales"].clamp_(*self.size_range)
        self.exposure.step(rate)
        with torch.no_grad():
            self.renders[view] = ((shown - image).abs().mean(dim=-1), out.depth[0].detach())

    def _depth_loss(self, out: Rendered, view: int) -> Tensor | float:
        if self.views.depth is None:
            return 0.0
        known = (self.views.depth[view] > 0) & (out.alpha[0] > 0.5)
        truth = self.views.depth[view]
        return _DEPTH_WEIGHT * ((out.depth[0] - truth).abs() / truth.clamp_min(0.1) * known).mean()


def _photometric(shown: Tensor, image: Tensor) -> Tensor:
    import chorus_kernels

    similarity = chorus_kernels.ssim(shown[None], image[None]).mean()
    return (1 - _SSIM_WEIGHT) * (shown - image).abs().mean() + _SSIM_WEIGHT * (1 - similarity)


def _shape_loss(scene: GaussianScene, unit: float) -> Tensor:
    """Small Gaussians and no needles: what renders the same should also read well as geometry."""
    ordered = scene.log_scales.sort(dim=1).values  # [N, 3]
    needle = (ordered[:, 2] - ordered[:, 1] - math.log(_MAX_STRETCH)).clamp_min(0).mean()
    return _SCALE_WEIGHT * (scene.scales.mean() / unit) * 0.1 + _SCALE_WEIGHT * needle


def _photos(capture: Capture, device: torch.device | str) -> Photos:
    train = np.flatnonzero(~capture.held_out)
    depth = (
        None
        if capture.depth is None or not (capture.depth[train] > 0).any()
        else torch.from_numpy(np.ascontiguousarray(capture.depth)).to(device)
    )
    images = torch.from_numpy(np.ascontiguousarray(capture.images)).to(device)
    mask = None if capture.mask is None else torch.from_numpy(np.ascontiguousarray(capture.mask)).to(device)
    return Photos(images, depth, list(views_of(capture.cameras, device)), train, mask)


def _start(seeds: Seeds, device: torch.device | str) -> tuple[RowAdam, float]:
    """The optimiser over the first Gaussians, and their median spacing."""
    distance = spacing(seeds.points)
    unit = float(np.median(distance))
    radius = np.clip(0.6 * distance, 0.5 * seeds.footprint, 4 * np.maximum(unit, seeds.footprint))
    first = {name: tensor.to(device) for name, tensor in to_gaussians(seeds, radius=radius).items()}
    return RowAdam(first, {**_RATES, "means": _RATES["means"] * unit}), unit


def _size_range(seeds: Seeds) -> tuple[float, float]:
    """Log of the smallest (a fraction of a pixel) and largest (a fraction of the scene) standard deviation a Gaussian
    may have."""
    extent = float(np.ptp(seeds.points, axis=0).max())
    smallest = _SMALLEST * float(np.median(seeds.footprint))
    return math.log(max(smallest, 1e-6)), math.log(max(_LARGEST * extent, 2 * smallest, 1e-5))


def _scene(adam: RowAdam) -> GaussianScene:
    p = adam.params
    return GaussianScene(
        means=p["means"], quats=p["quats"], log_scales=p["log_scales"], opacity_logits=p["opacity_logits"], sh=p["sh"]
    )


def _order(train: np.ndarray, iterations: int, rng: np.random.Generator) -> list[int]:
    """Views in random order, each once before any again."""
    rounds = [rng.permutation(train) for _ in range(math.ceil(iterations / len(train)))]
    return [int(view) for view in np.concatenate(rounds)[:iterations]]


def _rate(progress: float) -> float:
    return _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * progress))


def _drop_unseen(scene: GaussianScene, capture: Capture, views: Photos) -> GaussianScene:
    """The scene without the Gaussians that render less than ``_MIN_SEEN`` pixels in all fitted views together."""
    seen = (
        scene_weights(scene, capture.cameras.select(views.train), rows=1, columns=1, footprint="box").total > _MIN_SEEN
    )
    return scene.select(seen) if bool(seen.any()) else scene


def given_scene(scene: GaussianScene, capture: Capture) -> FitResult:
    """Gaussians that came with their capture, measured against its views as fitted ones are."""
    train = np.flatnonzero(~capture.held_out)
    views = Photos(images=torch.from_numpy(capture.images), depth=None, cameras=[], train=train)
    return _result(capture, views, scene, Exposure(len(capture), train), 0, 0.0)


def _result(
    capture: Capture, views: Photos, scene: GaussianScene, exposure: Exposure, iterations: int, seconds: float
) -> FitResult:
    train = measure(scene, capture, views.train[:: max(1, len(views.train) // 8)], exposure)
    held = np.flatnonzero(capture.held_out)
    held_out = measure(scene, capture, held, exposure) if len(held) else train
    metrics: dict[str, object] = {f"{name}_train": value for name, value in train.summary().items()}
    metrics |= {f"{name}_heldout": value for name, value in held_out.summary().items()} if len(held) else {}
    metrics |= {
        "gaussians": len(scene),
        "iterations": iterations,
        "views_train": len(views.train),
        "views_heldout": len(held),
    }
    metrics["exposure"] = (
        "psnr_blind and ssim after the gain and bias of the fitted views beside a view, so that nothing of a held-out "
        "view is used; psnr_raw without"
    )
    return FitResult(scene=scene.to("cpu"), metrics=metrics, held_out=held_out, seconds=seconds)
