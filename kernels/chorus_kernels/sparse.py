"""Products of a CSR matrix, and of its transpose, with a dense matrix."""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from chorus_kernels import checks, cuda, dispatch, reference
from chorus_kernels.results import Csr

HALF_OR_FLOAT = (torch.float32, torch.float16)


def multiply(matrix: Csr, columns: int, dense: Tensor) -> Tensor:
    """matrix @ dense in float32, differentiable in dense; `columns` are the matrix's. Arguments are trusted."""
    if dispatch.on_card(dense):
        return cuda.multiply(matrix, columns, dense)
    if dispatch.use_reference():
        return reference.spmm(*matrix, dense)
    return _Multiply.apply(dense, matrix, columns, False)


def multiply_t(matrix: Csr, columns: int, dense: Tensor) -> Tensor:
    """The transpose of matrix @ dense; see `multiply`."""
    if dispatch.on_card(dense):
        return cuda.multiply_t(matrix, columns, dense)
    if dispatch.use_reference():
        return reference.spmm(*matrix.transpose(columns), dense)
    return _Multiply.apply(dense, matrix, columns, True)


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """CSR [N, M] (indptr [N+1] int64, indices int32, values float32) times dense [M, C] float32 or float16 -> [N, C]
    float32.

    Float32 sums in a fixed order, the same on any number of threads. Differentiable in `dense`. The work always runs
    over the longer side of the matrix, so a wide one is transposed first: O(nnz), little beside the product.
    """
    dense = checks.tensor("spmm", "dense", dense, ("M", "C"), dtypes=HALF_OR_FLOAT, device=checks.home(dense))
    matrix, columns = Csr(indptr, indices, values), dense.shape[0]
    matrix.check("spmm", columns)
    rows = indptr.shape[0] - 1
    return multiply(matrix, columns, dense) if rows >= columns else multiply_t(matrix.transpose(columns), rows, dense)


def spmm_t(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor, *, columns: int) -> Tensor:
    """The transpose of the CSR [N, columns] times dense [N, C] -> [columns, C] float32; see `spmm`."""
    matrix = Csr(indptr, indices, values)
    matrix.check("spmm_t", columns)
    rows = indptr.shape[0] - 1
    dense = checks.tensor("spmm_t", "dense", dense, (rows, "C"), dtypes=HALF_OR_FLOAT, device=checks.home(dense))
    return multiply_t(matrix, columns, dense) if rows >= columns else multiply(matrix.transpose(columns), rows, dense)


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dense, matrix, columns, transposed):
        ctx.matrix, ctx.columns, ctx.transposed, ctx.dtype = matrix, columns, transposed, dense.dtype
        return _product(matrix, columns, dense.detach(), transposed)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return _product(ctx.matrix, ctx.columns, grad.contiguous(), not ctx.transposed).to(ctx.dtype), None, None, None


def _product(matrix: Csr, columns: int, dense: Tensor, transposed: bool) -> Tensor:
    out = torch.empty(columns if transposed else matrix.indptr.shape[0] - 1, dense.shape[1])
    native = dispatch.native()
    (native.spmm_t if transposed else native.spmm)(*matrix, dense, out, dispatch.threads())
    return out
