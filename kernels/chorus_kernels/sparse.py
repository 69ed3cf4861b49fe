"""Products of a CSR matrix, and of its transpose, with a dense matrix."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from chorus_kernels import checks, dispatch

HALF_OR_FLOAT = (torch.float32, torch.float16)


class Csr(NamedTuple):
    """A sparse float32 matrix by rows."""

    indptr: Tensor  # [rows + 1] int64
    indices: Tensor  # [nnz] int32, columns
    values: Tensor  # [nnz] float32


def transpose(matrix: Csr, columns: int) -> Csr:
    """The transpose, rows ascending in each of its rows; done once and kept, because both products are gathers by
    row."""
    if dispatch.use_reference():
        from chorus_kernels import reference

        return Csr(*reference.transpose(*matrix, columns))
    nnz = matrix.indices.shape[0]
    out = Csr(torch.empty(columns + 1, dtype=torch.int64), torch.empty(nnz, dtype=torch.int32), torch.empty(nnz))
    dispatch.native().transpose(*matrix, *out)
    return out


def check(op: str, matrix: Csr, columns: int) -> None:
    """Raises ValueError unless the arrays describe a matrix of so many columns."""
    checks.tensor(op, "indptr", matrix.indptr, ("N + 1",), dtypes=(torch.int64,))
    checks.tensor(op, "indices", matrix.indices, ("nnz",), dtypes=(torch.int32,))
    checks.tensor(op, "values", matrix.values, (matrix.indices.shape[0],))
    if matrix.indptr.shape[0] < 1:
        raise ValueError(f"{op}: indptr must have at least one element, got none")
    if not dispatch.use_reference():
        problem = dispatch.native().check_csr(matrix.indptr, matrix.indices, columns)
        if problem:
            raise ValueError(f"{op}: {problem}")


def multiply(matrix: Csr, columns: int, dense: Tensor) -> Tensor:
    """matrix @ dense in float32, differentiable in dense; `columns` are the matrix's. Arguments are trusted."""
    if dispatch.use_reference():
        from chorus_kernels import reference

        return reference.spmm(*matrix, dense)
    return _Multiply.apply(dense, matrix, columns, False)


def multiply_t(matrix: Csr, columns: int, dense: Tensor) -> Tensor:
    """The transpose of matrix @ dense; see `multiply`."""
    if dispatch.use_reference():
        from chorus_kernels import reference

        return reference.spmm(*reference.transpose(*matrix, columns), dense)
    return _Multiply.apply(dense, matrix, columns, True)


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """CSR [N, M] (indptr [N+1] int64, indices int32, values float32) times dense [M, C] float32 or float16 -> [N, C]
    float32.

    Float32 sums in a fixed order, the same on any number of threads. Differentiable in `dense`. The work always runs
    over the longer side of the matrix, so a wide one is transposed first: O(nnz), little beside the product.
    """
    dense = checks.tensor("spmm", "dense", dense, ("M", "C"), dtypes=HALF_OR_FLOAT)
    matrix, columns = Csr(indptr, indices, values), dense.shape[0]
    check("spmm", matrix, columns)
    rows = indptr.shape[0] - 1
    return multiply(matrix, columns, dense) if rows >= columns else multiply_t(transpose(matrix, columns), rows, dense)


def spmm_t(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor, *, columns: int) -> Tensor:
    """The transpose of the CSR [N, columns] times dense [N, C] -> [columns, C] float32; see `spmm`."""
    matrix = Csr(indptr, indices, values)
    check("spmm_t", matrix, columns)
    rows = indptr.shape[0] - 1
    dense = checks.tensor("spmm_t", "dense", dense, (rows, "C"), dtypes=HALF_OR_FLOAT)
    return multiply_t(matrix, columns, dense) if rows >= columns else multiply(transpose(matrix, columns), rows, dense)


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
