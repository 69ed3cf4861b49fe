"""How well a scene renders the captured views, and the exposure of each view."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chorus.capture import Capture
from chorus.scene import GaussianScene
from chorus.splat.rasterize import render
from chorus.train.adamw import AdamW

_EXPOSURE_RATE = 0.01


class Exposure:
    """A gain and a bias for each fitted view: shown = exp(gain) * rendered + bias. Their means over the views stay
    zero."""

    def __init__(self, count: int, train: np.ndarray, device: torch.device | str = "cpu"):
        self.values = {int(view): torch.zeros(2, device=device, requires_grad=True) for view in train}
        self._adam = AdamW(
            [{"params": list(self.values.values())}], lr=_EXPOSURE_RATE, fused=False
        )  # skips the views without a gradient

    def apply(self, colors: Tensor, view: int) -> Tensor:
        """[H, W, 3] as this view's camera would have exposed it."""
        gain, bias = self.values[view]
        return colors * gain.exp() + bias

    def between(self, view: int) -> tuple[float, float]:
        """Gain and bias of any view, a line between the fitted views before and after it: views follow each other in
        time."""
        fitted = sorted(self.values)
        known = torch.stack([self.values[v] for v in fitted]).detach().cpu().numpy()
        gain, bias = (float(np.interp(view, fitted, known[:, k])) for k in (0, 1))
        return gain, bias

    def step(self, rate: float) -> None:
        """One update at ``rate`` times the first learning rate."""
        self._adam.param_groups[0]["lr"] = _EXPOSURE_RATE * rate
        self._adam.step()
        self._adam.zero_grad()
        with torch.no_grad():
            mean = torch.stack(list(self.values.values())).mean(dim=0)
            for value in self.values.values():
                value -= mean


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Rendered views beside the captured ones. Blind: after the gain and bias that the fitted views beside a view
    suggest, so that nothing of a held-out view itself is used."""

    views: np.ndarray  # [M] indices into the capture
    truth: np.ndarray  # [M, H, W, 3] uint8
    shown: np.ndarray  # [M, H, W, 3] uint8, blind
    psnr_blind: np.ndarray  # [M] dB
    psnr_raw: np.ndarray  # [M] dB, without gain and bias
    ssim: np.ndarray  # [M] blind
    depth_error: np.ndarray  # [M] m, median over pixels of known depth; NaN where none

    def summary(self) -> dict[str, float]:
        """Means over the views, rounded: plain JSON."""
        values = {name: float(np.mean(getattr(self, name))) for name in ("psnr_blind", "psnr_raw", "ssim")}
        if np.isfinite(self.depth_error).any():
            values["depth_error"] = float(np.nanmean(self.depth_error))
        return {name: round(value, 4) for name, value in values.items()}


@torch.no_grad()
def measure(scene: GaussianScene, capture: Capture, views: np.ndarray, exposure: Exposure) -> Measured:
    """Render the views [M] of a capture where the scene is, and compare. exposure: of the fitted views."""
    import chorus_kernels

    columns: dict[str, list] = {name: [] for name in ("shown", "psnr_blind", "psnr_raw", "ssim", "depth_error")}
    for view in views:
        out = render(scene, capture.cameras.select([view]))
        truth = torch.from_numpy(capture.images[view]).to(scene.means.device).float() / 255.0
        gain, bias = exposure.between(int(view))
        shown, raw = (out.colors[0] * math.exp(gain) + bias).clamp(0, 1), out.colors[0].clamp(0, 1)
        columns["shown"].append((shown * 255).round().to(torch.uint8).cpu().numpy())
        mask = (
            None
            if capture.mask is None
            else torch.from_numpy(np.ascontiguousarray(capture.mask[view])).to(truth.device)
        )
        columns["psnr_blind"].append(psnr(shown, truth, mask))
        columns["psnr_raw"].append(psnr(raw, truth, mask))
        if mask is not None:
            shown = torch.where(mask[..., None], shown, truth)
        columns["ssim"].append(float(chorus_kernels.ssim(shown[None], truth[None]).mean()))
        columns["depth_error"].append(
            _depth_error(out.depth[0].cpu().numpy(), None if capture.depth is None else capture.depth[view])
        )
    return Measured(
        views=np.asarray(views),
        truth=capture.images[views],
        **{name: np.array(values) for name, values in columns.items()},
    )


def psnr(shown: Tensor, truth: Tensor, mask: Tensor | None = None) -> float:
    """dB over all channels of the pixels that take part (mask [H, W]; all when None), values in [0, 1]."""
    error = (shown - truth).square()
    error = error if mask is None or not bool(mask.any()) else error[mask]
    return float(-10 * torch.log10(error.mean().clamp_min(1e-10)))


def _depth_error(rendered: np.ndarray, truth: np.ndarray | None) -> float:
    if truth is None or not (truth > 0).any():
        return float("nan")
    return float(np.median(np.abs(rendered - truth)[truth > 0]))
