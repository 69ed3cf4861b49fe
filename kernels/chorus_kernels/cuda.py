"""Rasterising, blending weights and neighbors on CUDA, through gsplat and spconv (extra `gpu`); `conv_cuda` has the
convolution.

Same arguments, conventions and results as on the CPU. gsplat sums gradients with atomics, so bits may differ between
runs.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from chorus_kernels import reference
from chorus_kernels.conv_cuda import spconv_functional
from chorus_kernels.results import Csr, Rasterized, pointers
from chorus_kernels.views import Views


def rasterize(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor,
    views: Views,
    *,
    backgrounds: Tensor | None,
    sh_degree: int | None,
    eps2d: float,
    absgrad: Tensor | None,
) -> Rasterized:
    """See `chorus_kernels.rasterize`. gsplat checks shapes itself."""
    image, alphas, meta = _gsplat("rasterize")(
        means,
        quats,
        scales,
        opacities,
        colors,
        **_cameras(views),
        eps2d=eps2d,
        sh_degree=sh_degree,
        backgrounds=backgrounds,
        render_mode="RGB+D",
        absgrad=absgrad is not None,
    )
    mean2d = meta["means2d"]
    if absgrad is not None and mean2d.requires_grad:
        mean2d.register_hook(lambda _: _add(absgrad, mean2d.absgrad))
    radii = meta["radii"]
    radii = radii if radii.dim() == 2 else radii.amax(-1)  # newer versions keep one for each axis
    return Rasterized(image[..., :-1], image[..., -1], alphas[..., 0], radii.to(torch.int32))


def _add(absgrad: Tensor, of_views: Tensor) -> None:  # [N, 2], [V, N, 2]
    absgrad.add_(of_views.sum(0))


def _gsplat(op: str):
    try:
        from gsplat import rasterization  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise ImportError(
            f"{op}: tensors on CUDA need gsplat ({error}); pip install 'chorus-gs[gpu]', or pass CPU tensors"
        ) from error
    return rasterization


def _cameras(views: Views) -> dict:
    """gsplat's arguments for them."""
    return {
        "viewmats": views.viewmats,
        "Ks": views.Ks,
        "width": views.width,
        "height": views.height,
        "near_plane": views.near_plane,
        "far_plane": views.far_plane,
        "packed": False,
    }


Parts = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
COLUMNS = 64  # patches whose weights are read from one backward pass


def patch_weights(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    views: Views,
    *,
    patch_rows: int,
    patch_cols: int,
    footprint: str,
) -> Parts:
    """indptr, indices, values, total, coverage of `chorus_kernels.patch_weights`, from gsplat's backward.

    The image is W X, so the gradient of zero features X under B (patches of value one, upsampled) is W^T B: G itself,
    COLUMNS at a time.
    """
    rasterization, n, patches = _gsplat("patch_weights"), len(means), patch_rows * patch_cols
    keys, values = [], []
    for v, view in enumerate(views):
        for first in range(0, patches, COLUMNS):
            end = min(first + COLUMNS, patches)
            one_hot = means.new_zeros(end - first, patches)
            one_hot[:, first:end].fill_diagonal_(1)
            maps = one_hot.view(-1, patch_rows, patch_cols)
            up = reference.upsampled(maps, height=views.height, width=views.width, footprint=footprint)
            up = up.permute(1, 2, 0).contiguous()  # [H, W, end - first] columns of B
            zero = means.new_zeros(n, up.shape[-1], requires_grad=True)
            with torch.enable_grad():
                image = rasterization(means, quats, scales, opacities, zero, **_cameras(view))[0]
            (dense,) = torch.autograd.grad(image, zero, up[None])
            row, column = dense.nonzero(as_tuple=True)
            keys.append(row * (len(views) * patches) + v * patches + first + column)
            values.append(dense[row, column])
    return _assembled(keys, values, n, len(views) * patches, like=means)


def _assembled(keys: list[Tensor], values: list[Tensor], n: int, columns: int, *, like: Tensor) -> Parts:
    """CSR of entries at row * columns + column."""
    key = torch.cat(keys) if keys else torch.zeros(0, dtype=torch.int64, device=like.device)
    value = torch.cat(values) if values else like.new_zeros(0)
    key, order = torch.sort(key)
    row, column, value = key // max(columns, 1), key % max(columns, 1), value[order]
    total = like.new_zeros(n, dtype=torch.float64).index_add_(0, row, value.double())
    coverage = like.new_zeros(columns, dtype=torch.float64).index_add_(0, column, value.double())
    return (pointers(row, n), column.to(torch.int32), value, total.float(), coverage.float())


def multiply(matrix: Csr, columns: int, dense: Tensor) -> Tensor:
    """A matrix of so many columns times dense, in float32; differentiable in dense."""
    return _Multiply.apply(dense, matrix, columns)


def multiply_t(matrix: Csr, columns: int, dense: Tensor) -> Tensor:
    """Its transpose times dense."""
    return _Multiply.apply(dense, matrix.transpose(columns), len(matrix.indptr) - 1)


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dense, matrix, columns):
        ctx.matrix, ctx.columns, ctx.dtype = matrix, columns, dense.dtype
        return _product(matrix, columns, dense.detach())

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        back = ctx.matrix.transpose(ctx.columns)
        return _product(back, len(ctx.matrix.indptr) - 1, grad).to(ctx.dtype), None, None


def _product(matrix: Csr, columns: int, dense: Tensor) -> Tensor:
    indptr, indices, values = matrix
    size = (len(indptr) - 1, columns)
    return torch.sparse_csr_tensor(indptr, indices.long(), values, size=size, check_invariants=False) @ dense.float()


def neighbors(grid: Tensor, batch: Tensor) -> Tensor:
    """`chorus_kernels.neighbors`: spconv's hash table, or the torch twin where spconv is not installed."""
    if spconv_functional() is None or not grid.is_cuda or not len(grid):
        return reference.neighbors(grid, batch)
    from spconv.core import ConvAlgo  # pyright: ignore[reportMissingImports]
    from spconv.pytorch import ops  # pyright: ignore[reportMissingImports]

    rows = torch.cat([batch[:, None], grid - grid.min(0).values], 1).to(torch.int32).contiguous()
    if len(torch.unique(rows, dim=0)) < len(rows):
        raise ValueError("neighbors: voxels must be unique; pool them first")
    shape = (rows[:, 1:].max(0).values + 1).tolist()
    _, pairs, counts = ops.get_indice_pairs(
        rows, int(rows[:, 0].max()) + 1, shape, ConvAlgo.Native, [3] * 3, [1] * 3, [1] * 3, [1] * 3, [0] * 3, True
    )
    return _table(pairs, counts.tolist(), len(grid))


def _table(pairs: Tensor, counts: list[int], n: int) -> Tensor:
    """Table [27, n] of spconv's pairs [2, 27, n] (input row, output row). Of its offsets the first 13 are read; the
    others mirror them."""
    table = torch.full((27, n), -1, dtype=torch.int32, device=pairs.device)
    table[13] = torch.arange(n, dtype=torch.int32, device=pairs.device)
    for k in range(13):
        source, target = pairs[0, k, : counts[k]], pairs[1, k, : counts[k]]
        table[k, target.long()] = source.to(torch.int32)
        table[26 - k, source.long()] = target.to(torch.int32)
    return table
