"""Differentiable rasterisation of Gaussian splats (gsplat's conventions)."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from chorus_kernels import checks, dispatch


class Rasterized(NamedTuple):
    """A batch of rendered views. Not visible means radius 0."""

    colors: Tensor  # [V, H, W, C]
    depths: Tensor  # [V, H, W] sum of w_i z_i, NOT divided by alpha
    alphas: Tensor  # [V, H, W] sum of w_i
    radii: Tensor  # [V, N] int32, pixels

    @property
    def visible(self) -> Tensor:  # [V, N] bool
        return self.radii > 0


def rasterize(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4] wxyz, normalised here
    scales: Tensor,  # [N, 3] linear
    opacities: Tensor,  # [N] in 0..1
    colors: Tensor,  # [N, C], or [N, K, 3] spherical harmonics when sh_degree is given
    *,
    viewmats: Tensor,  # [V, 4, 4] cam_from_world, OpenCV axes
    Ks: Tensor,  # [V, 3, 3]
    width: int,
    height: int,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    backgrounds: Tensor | None = None,  # [V, C]
    sh_degree: int | None = None,
    eps2d: float = 0.3,
    absgrad: Tensor | None = None,  # [N, 2]
) -> Rasterized:
    """Renders colours (any number of channels), depth and alpha of V views.

    EWA projection with a blur of `eps2d` square pixels, depth sort by camera z, front-to-back blending of
    w_i = T_i min(0.999, o_i exp(-d' Sigma^-1 d / 2)); fainter than 1/255 is skipped and a pixel ends before T <= 1e-4.
    Pixel centres lie at +0.5. Spherical-harmonic colours are max(0, sum + 0.5). Lengths in the scene's unit, image
    quantities in pixels.

    Differentiable in means, quats, scales, opacities, colors and backgrounds; cameras get no gradient. When `absgrad`
    is given, backward ADDS to it, over all views and pixels, the absolute value of each pixel's gradient by the splat's
    2D mean (for densification; in pixels of this image size).

    On CUDA tensors gsplat does the work (extra `gpu`).

    Raises ValueError for wrong dtypes, shapes, devices, strides, for NaN or infinity, and for more than 2^31 tile
    pairs.
    """
    op = "rasterize"
    if isinstance(means, Tensor) and means.is_cuda:
        from chorus_kernels import cuda

        return cuda.rasterize(
            means,
            quats,
            scales,
            opacities,
            colors,
            viewmats=viewmats,
            Ks=Ks,
            width=width,
            height=height,
            near_plane=near_plane,
            far_plane=far_plane,
            backgrounds=backgrounds,
            sh_degree=sh_degree,
            eps2d=eps2d,
            absgrad=absgrad,
        )
    n = checks.scene(op, means, quats, scales, opacities)
    v = checks.views(op, viewmats, Ks)
    checks.image(op, width, height)
    checks.positive(op, near_plane=near_plane, far_plane=far_plane, eps2d=eps2d)
    channels = _check_colors(op, colors, n, sh_degree)
    if backgrounds is not None:
        checks.tensor(op, "backgrounds", backgrounds, (v, channels))
    if absgrad is not None:
        checks.tensor(op, "absgrad", absgrad, (n, 2))
    if dispatch.use_reference():
        from chorus_kernels import reference

        return reference.rasterize(
            means,
            quats,
            scales,
            opacities,
            colors,
            viewmats=viewmats,
            Ks=Ks,
            width=width,
            height=height,
            near_plane=near_plane,
            far_plane=far_plane,
            backgrounds=backgrounds,
            sh_degree=sh_degree,
            eps2d=eps2d,
            absgrad=absgrad,
        )
    degree = -1 if sh_degree is None else sh_degree
    options = dispatch.native().Options(width, height, degree, dispatch.threads(), near_plane, far_plane, eps2d)
    return Rasterized(
        *_Rasterize.apply(
            means,
            quats,
            scales,
            opacities,
            colors,
            backgrounds,
            viewmats,
            Ks,
            (v, height, width, channels),
            options,
            absgrad,
        )
    )


def _check_colors(op: str, colors: Tensor, n: int, sh_degree: int | None) -> int:
    if sh_degree is None:
        checks.tensor(op, "colors", colors, (n, "C"))
        if colors.shape[1] < 1:
            raise ValueError(f"{op}: colors must have at least one channel, got {list(colors.shape)}")
        return colors.shape[1]
    checks.one_of(op, "sh_degree", sh_degree, (0, 1, 2, 3))
    checks.tensor(op, "colors", colors, (n, "K", 3))
    if colors.shape[1] < (sh_degree + 1) ** 2:
        raise ValueError(
            f"{op}: colors must hold at least {(sh_degree + 1) ** 2} coefficients for sh_degree {sh_degree}, "
            f"got {colors.shape[1]}"
        )
    return 3


class _Rasterize(torch.autograd.Function):
    @staticmethod
    def forward(ctx, means, quats, scales, opacities, colors, backgrounds, viewmats, Ks, shape, options, absgrad):
        scene = tuple(x.detach() for x in (means, quats, scales, opacities, colors))
        cameras = viewmats.detach(), Ks.detach()
        behind = None if backgrounds is None else backgrounds.detach()
        out_colors, radii = torch.empty(shape), torch.empty(shape[0], means.shape[0], dtype=torch.int32)
        out_depths, out_alphas = torch.empty(shape[:3]), torch.empty(shape[:3])
        keep = any(ctx.needs_input_grad[:6])
        frames = dispatch.native().rasterize(
            *scene, *cameras, behind, out_colors, out_depths, out_alphas, radii, options, keep
        )
        if keep:
            ctx.frames, ctx.options, ctx.absgrad = frames, options, absgrad
            ctx.save_for_backward(*scene, cameras[0], behind, out_alphas)
        ctx.mark_non_differentiable(radii)
        ctx.set_materialize_grads(False)
        return out_colors, out_depths, out_alphas, radii

    @staticmethod
    @once_differentiable
    def backward(ctx, g_colors, g_depths, g_alphas, _):
        *scene, viewmats, behind, alphas = ctx.saved_tensors
        grads = [torch.zeros_like(x) if need else None for x, need in zip(scene, ctx.needs_input_grad, strict=False)]
        outer = [None if g is None else g.contiguous() for g in (g_colors, g_depths, g_alphas)]
        if any(g is not None for g in outer):
            dispatch.native().rasterize_backward(
                ctx.frames, *scene, viewmats, behind, *outer, *grads, ctx.absgrad, None, ctx.options
            )
        g_behind = None
        if ctx.needs_input_grad[5] and outer[0] is not None:
            g_behind = torch.einsum("vhwc,vhw->vc", outer[0], 1 - alphas)
        return *grads, g_behind, None, None, None, None, None
