"""Rasterisation on CUDA, through gsplat (extra `gpu`); same arguments, conventions and results as on the CPU."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from chorus_kernels.raster import Rasterized


def rasterize(
    means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor, colors: Tensor, *, viewmats: Tensor, Ks: Tensor, width: int,
    height: int, near_plane: float, far_plane: float, backgrounds: Tensor | None, sh_degree: int | None, eps2d: float,
    absgrad: Tensor | None,
) -> "Rasterized":  # fmt: skip
    """See `chorus_kernels.rasterize`. gsplat checks shapes itself."""
    from chorus_kernels.raster import Rasterized

    try:
        from gsplat import rasterization
    except ImportError as error:
        raise ImportError(f"rasterize: tensors on CUDA need gsplat ({error}); install the extra `gpu`, or pass CPU tensors") from error
    image, alphas, meta = rasterization(
        means, quats, scales, opacities, colors, viewmats, Ks, width, height, near_plane=near_plane, far_plane=far_plane, eps2d=eps2d,
        sh_degree=sh_degree, packed=False, backgrounds=backgrounds, render_mode="RGB+D", absgrad=absgrad is not None,
    )  # fmt: skip
    mean2d = meta["means2d"]
    if absgrad is not None and mean2d.requires_grad:
        mean2d.register_hook(lambda _: _add(absgrad, mean2d.absgrad))
    radii = meta["radii"]
    radii = radii if radii.dim() == 2 else radii.amax(-1)  # newer versions keep one for each axis
    return Rasterized(image[..., :-1], image[..., -1], alphas[..., 0], radii.to(torch.int32))


def _add(absgrad: Tensor, of_views: Tensor) -> None:  # [N, 2], [V, N, 2]
    absgrad.add_(of_views.sum(0))
