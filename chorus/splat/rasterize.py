"""Rendering Gaussians: the kernels' rasteriser with this project's planes and depth, on whatever device they lie."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

import chorus_kernels
from chorus.cameras import Cameras
from chorus.errors import MissingError
from chorus.scene import SH_C0, GaussianScene
from chorus_kernels import Views

NEAR, FAR = 0.05, 1000.0  # metres; nearer Gaussians are not drawn
_MIN_ALPHA = 1e-3  # below, a pixel has no depth


@dataclass(frozen=True)
class Rendered:
    """V rendered views."""

    colors: Tensor  # [V, H, W, 3] linear in the scene's colours, not clamped
    depth: Tensor  # [V, H, W] m along the optical axis: sum w z / sum w, 0 where nothing was hit
    alpha: Tensor  # [V, H, W] in [0, 1]
    radii: Tensor  # [V, N] pixels, 0 where not drawn


def views_of(cameras: Cameras, device: torch.device | str = "cpu") -> Views:
    """The cameras as the kernels take them, with our planes."""
    viewmats, Ks = (torch.as_tensor(x, dtype=torch.float32, device=device) for x in (cameras.cam_from_world, cameras.K))
    return Views(viewmats, Ks, cameras.width, cameras.height, near_plane=NEAR, far_plane=FAR)


def render(scene: GaussianScene, cameras: Cameras, *, background: Tensor | None = None) -> Rendered:
    """Render all views of ``cameras``; gradients flow to the scene's tensors.

    background: [3], black when None. Semantics are gsplat's (EWA projection, +0.3 px blur, alpha >= 1/255).
    """
    return rasterize(scene, views_of(cameras, scene.means.device), background=background)


def rasterize(scene: GaussianScene, views: Views, *, background: Tensor | None = None) -> Rendered:
    """As :func:`render`, for views on the scene's device. Raises MissingError where the native build, or gsplat for a
    GPU, is not installed."""
    backgrounds = None if background is None else background.to(scene.means).expand(len(views), 3).contiguous()
    try:
        drawn = _drawn(scene)
        out = chorus_kernels.rasterize(*drawn, views, backgrounds=backgrounds, sh_degree=scene.sh_degree or None)
    except ImportError as error:
        raise MissingError("rendering", expected="a rasteriser for the scene's device", got=error) from error
    depth = torch.where(out.alphas > _MIN_ALPHA, out.depths / out.alphas.clamp_min(_MIN_ALPHA), 0.0)
    return Rendered(out.colors, depth, out.alphas, out.radii)


def render_features(scene: GaussianScene, features: Tensor, cameras: Cameras) -> Tensor:
    """[V, H, W, C]: features [N, C] blended as colours are. Raises MissingError as :func:`rasterize`."""
    views = views_of(cameras, scene.means.device)
    try:
        return chorus_kernels.rasterize(*_drawn(scene)[:4], features, views).colors
    except ImportError as error:
        raise MissingError("rendering", expected="a rasteriser for the scene's device", got=error) from error


def _drawn(scene: GaussianScene) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """(means, quats, scales, opacities, colors) as the rasterisers take them: colours [N, 3], or harmonics [N, K,
    3]."""
    colors = scene.sh if scene.sh_degree else (scene.sh[:, 0] * SH_C0 + 0.5).clamp_min(0.0)
    return scene.means, torch.nn.functional.normalize(scene.quats, dim=-1), scene.scales, scene.opacities, colors
