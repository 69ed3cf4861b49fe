"""Rendering Gaussians: the native CPU rasteriser, or gsplat behind the same call where the tensors live on a GPU."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from chorus.cameras import Cameras
from chorus.errors import MissingError
from chorus.scene import SH_C0, GaussianScene

NEAR, FAR = 0.05, 1000.0  # metres; nearer Gaussians are not drawn
_MIN_ALPHA = 1e-3  # below, a pixel has no depth


@dataclass(frozen=True)
class Rendered:
    """V rendered views."""

    colors: Tensor  # [V, H, W, 3] linear in the scene's colours, not clamped
    depth: Tensor  # [V, H, W] m along the optical axis: sum w z / sum w, 0 where nothing was hit
    alpha: Tensor  # [V, H, W] in [0, 1]
    radii: Tensor  # [V, N] pixels, 0 where not drawn


def camera_tensors(cameras: Cameras, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """(viewmats [V, 4, 4], Ks [V, 3, 3]) float32."""
    return (
        torch.as_tensor(cameras.cam_from_world, dtype=torch.float32, device=device),
        torch.as_tensor(cameras.K, dtype=torch.float32, device=device),
    )


def render(scene: GaussianScene, cameras: Cameras, *, background: Tensor | None = None) -> Rendered:
    """Render all views of ``cameras``; gradients flow to the scene's tensors.

    background: [3], black when None. Semantics are gsplat's (EWA projection, +0.3 px blur, alpha >= 1/255).
    """
    viewmats, Ks = camera_tensors(cameras, scene.means.device)
    return rasterize(scene, viewmats, Ks, width=cameras.width, height=cameras.height, background=background)


def rasterize(
    scene: GaussianScene, viewmats: Tensor, Ks: Tensor, *, width: int, height: int, background: Tensor | None = None
) -> Rendered:
    """As :func:`render`, for viewmats [V, 4, 4] and Ks [V, 3, 3] on the scene's device."""
    backend = _gsplat if scene.means.is_cuda else _native
    backgrounds = None if background is None else background.to(scene.means).expand(len(Ks), 3)
    colors, depth_sum, alpha, radii = backend(scene, viewmats, Ks, width, height, backgrounds)
    depth = torch.where(alpha > _MIN_ALPHA, depth_sum / alpha.clamp_min(_MIN_ALPHA), torch.zeros_like(depth_sum))
    return Rendered(colors, depth, alpha, radii)


def _native(scene: GaussianScene, viewmats: Tensor, Ks: Tensor, width: int, height: int, backgrounds: Tensor | None):
    import chorus_kernels

    colors, depth_sum, alpha, radii = chorus_kernels.rasterize(
        *_drawn(scene),
        viewmats=viewmats,
        Ks=Ks,
        width=width,
        height=height,
        near_plane=NEAR,
        far_plane=FAR,
        backgrounds=backgrounds,
        **_harmonics(scene),
    )
    return colors, depth_sum, alpha, radii


def _gsplat(scene: GaussianScene, viewmats: Tensor, Ks: Tensor, width: int, height: int, backgrounds: Tensor | None):
    try:
        from gsplat import rasterization
    except ImportError as error:
        raise MissingError(
            "rendering on a GPU", expected="gsplat", got="not installed", fix="pip install 'chorus-gs[gpu]'"
        ) from error
    images, alpha, meta = rasterization(
        *_drawn(scene),
        viewmats=viewmats,
        Ks=Ks,
        width=width,
        height=height,
        near_plane=NEAR,
        far_plane=FAR,
        backgrounds=backgrounds,
        render_mode="RGB+D",
        packed=False,
        **_harmonics(scene),
    )
    radii = meta["radii"]
    return images[..., :3], images[..., 3], alpha[..., 0], radii.amax(dim=-1) if radii.ndim == 3 else radii


def _drawn(scene: GaussianScene) -> tuple[Tensor, ...]:
    """(means, quats, scales, opacities, colors) as the rasterisers take them: colours [N, 3], or harmonics [N, K,
    3]."""
    colors = scene.sh if scene.sh_degree else (scene.sh[:, 0] * SH_C0 + 0.5).clamp_min(0.0)
    return scene.means, torch.nn.functional.normalize(scene.quats, dim=-1), scene.scales, scene.opacities, colors


def _harmonics(scene: GaussianScene) -> dict:
    return {"sh_degree": scene.sh_degree} if scene.sh_degree else {}
