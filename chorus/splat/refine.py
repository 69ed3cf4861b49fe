"""Moving Gaussians from where they do nothing to where the render is wrong."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from chorus.capture import Capture
from chorus.splat.adam import RowAdam
from chorus.splat.seeds import Seeds, join, seeds_at, spacing, to_gaussians

_MIN_OPACITY = 0.05  # below, a Gaussian is dropped
_MIN_AREA = 0.05  # of a pixel's footprint, squared: the product of the two larger radii below which it is dropped too
_BLUR = 5  # pixels: error is judged by neighbourhood, not by the noise of single pixels
_SHARPNESS = 1.5  # exponent of the error in the odds of a pixel


@torch.no_grad()
def refine(
    capture: Capture,
    adam: RowAdam,
    renders: dict,
    *,
    budget: int,
    share: float,
    footprint: float,
    rng: np.random.Generator,
) -> None:
    """Drop faint and vanishing Gaussians, then add new ones at pixels of large error: ``share`` of the room left under
    ``budget``.

    renders: view -> (error [H, W], rendered depth [H, W]) of its last step. A new Gaussian lies at the known depth,
    else at the rendered one, has the pixel's colour and the size of a few pixels. footprint: m, what a pixel typically
    covers. On a card this is where a fit waits for it: what is drawn from the errors is drawn on the CPU.
    """
    keep = (torch.sigmoid(adam.params["opacity_logits"]) > _MIN_OPACITY) & (_area(adam) > _MIN_AREA * footprint**2)
    if bool(keep.any()) and not bool(keep.all()):
        adam.keep(keep)
    wanted = int(np.ceil((budget - len(adam)) * share))
    if wanted < 1 or not renders:
        return
    seeds = _at_errors(capture, renders, wanted, rng)
    if seeds is None:
        return
    seeds = seeds.take(rng.permutation(len(seeds))[:wanted])
    near = spacing(seeds.points, among=adam.params["means"].detach().cpu().numpy())
    radius = np.clip(0.5 * near, 0.7 * seeds.footprint, 3.0 * seeds.footprint)
    adam.append(to_gaussians(seeds, radius=radius, sh_count=adam.params["sh"].shape[1]))


def _area(adam: RowAdam) -> torch.Tensor:
    """[N] m^2, the product of the two larger standard deviations."""
    return adam.params["log_scales"].sort(dim=1).values[:, 1:].sum(dim=1).exp()


def _at_errors(capture: Capture, renders: dict, wanted: int, rng: np.random.Generator) -> Seeds | None:
    views = sorted(renders)
    odds = {view: cv2.blur(renders[view][0].cpu().numpy(), (_BLUR, _BLUR)) ** _SHARPNESS for view in views}
    total = sum(float(o.sum()) for o in odds.values()) or 1.0
    parts = []
    for view in views:
        count = rng.poisson(1.1 * wanted * float(odds[view].sum()) / total)
        if count == 0:
            continue
        flat = odds[view].astype(np.float64).ravel()
        pixels = rng.choice(len(flat), min(count, np.count_nonzero(flat)), replace=False, p=flat / flat.sum())
        rows, columns = np.unravel_index(pixels, odds[view].shape)
        depth = renders[view][1].cpu().numpy()
        if capture.depth is not None:
            depth = np.where(capture.depth[view] > 0, capture.depth[view], depth)
        image = capture.images[view].astype(np.float32) / 255.0
        parts.append(seeds_at(rows, columns, image=image, depth=depth, cameras=capture.cameras, view=view))
    return join(parts) if parts else None
