"""Rendering weights summed onto feature patches: the sparse matrix behind lifting and feature rendering."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from chorus_kernels import checks, dispatch, sparse
from chorus_kernels.sparse import Csr


@dataclass(frozen=True)
class PatchWeights:
    """G = W^T B: W the blending weight of every pixel and Gaussian, B the upsampling of a patch map to the image.

    CSR over Gaussians; column = view * rows * cols + patch row * cols + patch column.
    """

    indptr: Tensor  # [N + 1] int64
    indices: Tensor  # [nnz] int32
    values: Tensor  # [nnz] float32
    total: Tensor  # [N] sum of w over all pixels and views
    coverage: Tensor  # [V * rows * cols] column sums
    shape: tuple[int, int] = field(kw_only=True)  # (N, V * rows * cols)

    def __post_init__(self) -> None:
        if self.values.is_cuda:  # made by us; the checks read every element on the CPU
            return
        sparse.check("PatchWeights", self.csr, self.shape[1])
        checks.tensor("PatchWeights", "indptr", self.indptr, (self.shape[0] + 1,), dtypes=(torch.int64,))
        checks.tensor("PatchWeights", "total", self.total, (self.shape[0],))
        checks.tensor("PatchWeights", "coverage", self.coverage, (self.shape[1],))

    @property
    def csr(self) -> Csr:
        return Csr(self.indptr, self.indices, self.values)

    @cached_property
    def transposed(self) -> Csr:
        """CSR of G^T; made at first use and kept."""
        if self.values.is_cuda:
            from chorus_kernels import reference

            return Csr(*reference.transpose(*self.csr, self.shape[1]))
        return sparse.transpose(self.csr, self.shape[1])


def patch_weights(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4] wxyz
    scales: Tensor,  # [N, 3] linear
    opacities: Tensor,  # [N] in 0..1
    *,
    viewmats: Tensor,  # [V, 4, 4] cam_from_world, OpenCV axes
    Ks: Tensor,  # [V, 3, 3] of the image, not of the patch map
    width: int,
    height: int,
    patch_rows: int,
    patch_cols: int,
    footprint: str = "bilinear",
    near_plane: float = 0.01,
) -> PatchWeights:
    """Sums every pixel's blending weights onto the patches it is interpolated from, view by view.

    `footprint` is what upsampling B means: "bilinear" as torch.nn.functional.interpolate(mode="bilinear",
    align_corners=False), "box" as mode="nearest". Weights are those of `rasterize`. Zero entries are not stored.
    Memory: the result plus, for one view, one float per (splat, 16-pixel tile, patch under the tile). No gradient: the
    geometry is taken as fixed. On CUDA tensors the weights are read from gsplat's backward (extra `gpu`).
    """
    op = "patch_weights"
    checks.positive(op, patch_rows=patch_rows, patch_cols=patch_cols, near_plane=near_plane)
    checks.one_of(op, "footprint", footprint, ("bilinear", "box"))
    if isinstance(means, Tensor) and means.is_cuda:
        from chorus_kernels import cuda

        parts = cuda.patch_weights(
            *(x.detach() for x in (means, quats, scales, opacities)),
            viewmats=viewmats,
            Ks=Ks,
            width=width,
            height=height,
            patch_rows=patch_rows,
            patch_cols=patch_cols,
            footprint=footprint,
            near_plane=near_plane,
        )
        return PatchWeights(*parts, shape=(len(means), len(viewmats) * patch_rows * patch_cols))
    n = checks.scene(op, means, quats, scales, opacities)
    v = checks.views(op, viewmats, Ks)
    checks.image(op, width, height)
    columns = v * patch_rows * patch_cols
    if columns >= 2**31:
        raise ValueError(f"{op}: at most 2^31 - 1 columns, got {v} views of {patch_rows} x {patch_cols} patches")
    scene = tuple(x.detach() for x in (means, quats, scales, opacities))
    if dispatch.use_reference():
        from chorus_kernels import reference

        parts = reference.patch_weights(
            *scene,
            viewmats=viewmats,
            Ks=Ks,
            width=width,
            height=height,
            patch_rows=patch_rows,
            patch_cols=patch_cols,
            footprint=footprint,
            near_plane=near_plane,
        )
        return PatchWeights(*parts, shape=(n, columns))
    builder = dispatch.native().PatchBuilder(n, patch_rows, patch_cols, footprint == "bilinear")
    for viewmat, K in zip(viewmats.detach(), Ks.detach(), strict=True):
        builder.add_view(*scene, viewmat, K, width, height, near_plane, dispatch.threads())
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
    if isinstance(features, Tensor) and features.is_cuda:
        from chorus_kernels import cuda

        return cuda.multiply(weights.csr, weights.shape[1], features)
    checks.tensor("lift", "features", features, (weights.shape[1], "C"), dtypes=sparse.HALF_OR_FLOAT)
    return sparse.multiply(weights.csr, weights.shape[1], features)


def render_features(weights: PatchWeights, features: Tensor) -> Tensor:
    """G^T @ features: [N, C] float32 or float16 -> [V * rows * cols, C] float32, NOT normalised.

    Divide by `weights.coverage` for the mean under each patch. Differentiable in `features`.
    """
    if isinstance(features, Tensor) and features.is_cuda:
        from chorus_kernels import cuda

        return cuda.multiply_t(weights.csr, weights.shape[1], features)
    checks.tensor("render_features", "features", features, (weights.shape[0], "C"), dtypes=sparse.HALF_OR_FLOAT)
    return sparse.multiply_t(weights.csr, weights.shape[1], features)
