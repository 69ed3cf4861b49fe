"""Rendering weights summed onto feature patches: the sparse matrix behind lifting and feature rendering."""

import torch
from torch import Tensor

from chorus_kernels import checks, cuda, dispatch, reference, sparse
from chorus_kernels.results import PatchWeights
from chorus_kernels.views import Views


def patch_weights(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4] wxyz
    scales: Tensor,  # [N, 3] linear
    opacities: Tensor,  # [N] in 0..1
    views: Views,
    *,
    patch_rows: int,
    patch_cols: int,
    footprint: str = "bilinear",
) -> PatchWeights:
    """Sums every pixel's blending weights onto the patches it is interpolated from, view by view.

    `footprint` is what upsampling B means: "bilinear" as torch.nn.functional.interpolate(mode="bilinear",
    align_corners=False), "box" as mode="nearest". Weights are those of `rasterize`. Zero entries are not stored.
    Memory: the result plus, for one view, one float per (splat, 16-pixel tile, patch under the tile). No gradient: the
    geometry is taken as fixed. On CUDA tensors the weights are read from gsplat's backward (extra `gpu`).
    """
    op = "patch_weights"
    checks.positive(op, patch_rows=patch_rows, patch_cols=patch_cols)
    checks.one_of(op, "footprint", footprint, ("bilinear", "box"))
    views.check(op, checks.home(means))
    columns = len(views) * patch_rows * patch_cols
    if columns >= 2**31:
        raise ValueError(
            f"{op}: at most 2^31 - 1 columns, got {len(views)} views of {patch_rows} x {patch_cols} patches"
        )
    on_card = dispatch.on_card(means)
    n = len(means) if on_card else checks.scene(op, means, quats, scales, opacities)
    scene = means.detach(), quats.detach(), scales.detach(), opacities.detach()
    if on_card or dispatch.use_reference():
        weigh = cuda.patch_weights if on_card else reference.patch_weights
        parts = weigh(*scene, views, patch_rows=patch_rows, patch_cols=patch_cols, footprint=footprint)
        return PatchWeights(*parts, shape=(n, columns))
    builder = dispatch.native().PatchBuilder(n, patch_rows, patch_cols, footprint == "bilinear")
    size = views.width, views.height, views.near_plane, views.far_plane
    for viewmat, K in zip(views.viewmats.detach(), views.Ks.detach(), strict=True):
        builder.add_view(*scene, viewmat, K, *size, dispatch.threads())
    nnz = builder.nnz()
    parts = (
        torch.empty(n + 1, dtype=torch.int64),
        torch.empty(nnz, dtype=torch.int32),
        torch.empty(nnz),
        torch.empty(n),
        torch.empty(columns),
    )
    builder.write(*parts)
    return PatchWeights(*parts, shape=(n, columns))


def lift(weights: PatchWeights, features: Tensor) -> Tensor:
    """G @ features: [V * rows * cols, C] float32 or float16 -> [N, C] float32, NOT normalised.

    Divide by `weights.total` (where it is large enough to trust) for the weighted mean. Differentiable in `features`.
    """
    shape, device = (weights.shape[1], "C"), checks.home(features)
    checks.tensor("lift", "features", features, shape, dtypes=sparse.HALF_OR_FLOAT, device=device)
    return sparse.multiply(weights.csr, weights.shape[1], features)


def render_features(weights: PatchWeights, features: Tensor) -> Tensor:
    """G^T @ features: [N, C] float32 or float16 -> [V * rows * cols, C] float32, NOT normalised.

    Divide by `weights.coverage` for the mean under each patch. Differentiable in `features`.
    """
    shape, device = (weights.shape[0], "C"), checks.home(features)
    checks.tensor("render_features", "features", features, shape, dtypes=sparse.HALF_OR_FLOAT, device=device)
    return sparse.multiply_t(weights.csr, weights.shape[1], features)
