"""Differentiable rasterisation of Gaussian splats (gsplat's conventions)."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from chorus_kernels import checks, cuda, dispatch, reference
from chorus_kernels.results import Rasterized
from chorus_kernels.views import Views


def rasterize(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4] wxyz, normalised here
    scales: Tensor,  # [N, 3] linear
    opacities: Tensor,  # [N] in 0..1
    colors: Tensor,  # [N, C], or [N, K, 3] spherical harmonics when sh_degree is given
    views: Views,
    *,
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
    scene = means, quats, scales, opacities, colors
    options = {"backgrounds": backgrounds, "sh_degree": sh_degree, "eps2d": eps2d, "absgrad": absgrad}
    views.check(op, checks.home(means))
    if dispatch.on_card(means):
        return cuda.rasterize(*scene, views, **options)
    n = checks.scene(op, means, quats, scales, opacities)
    checks.positive(op, eps2d=eps2d)
    channels = _check_colors(op, colors, n, sh_degree)
    if backgrounds is not None:
        checks.tensor(op, "backgrounds", backgrounds, (len(views), channels))
    if absgrad is not None:
        checks.tensor(op, "absgrad", absgrad, (n, 2))
    if dispatch.use_reference():
        return reference.rasterize(*scene, views, **options)
    native = dispatch.native().Options(
        views.width,
        views.height,
        -1 if sh_degree is None else sh_degree,
        dispatch.threads(),
        views.near_plane,
        views.far_plane,
        eps2d,
    )
    return Rasterized(*_Rasterize.apply(*scene, backgrounds, views, channels, native, absgrad))


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
    def forward(ctx, means, quats, scales, opacities, colors, backgrounds, views, channels, options, absgrad):
        scene = tuple(x.detach() for x in (means, quats, scales, opacities, colors))
        cameras = views.viewmats.detach(), views.Ks.detach()
        shape = len(views), views.height, views.width, channels
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
        return *grads, g_behind, None, None, None, None
