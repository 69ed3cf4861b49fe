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
    """The transpose, rows ascending in each of its rows; done once and kept, because both products are gathers by row."""
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


def multiply(matrix: Csr, back: Csr, dense: Tensor) -> Tensor:
    """matrix @ dense in float32, differentiable in dense; `back` is the transpose of matrix. Arguments are trusted."""
    if dispatch.use_reference():
        from chorus_kernels import reference

        return reference.spmm(*matrix, dense)
    return _Multiply.apply(dense, matrix, back)


def spmm(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor) -> Tensor:
    """CSR [N, M] (indptr [N+1] int64, indices int32, values float32) times dense [M, C] float32 or float16 -> [N, C] float32.

    Sums run in the order of each row in float32, the same on any number of threads. Differentiable in `dense`. Builds the
    transpose for backward; for repeated products keep a `PatchWeights`, which caches it.
    """
    dense = checks.tensor("spmm", "dense", dense, ("M", "C"), dtypes=HALF_OR_FLOAT)
    matrix = Csr(indptr, indices, values)
    check("spmm", matrix, dense.shape[0])
    needs = dense.requires_grad and torch.is_grad_enabled()
    return multiply(matrix, transpose(matrix, dense.shape[0]) if needs else matrix, dense)


def spmm_t(indptr: Tensor, indices: Tensor, values: Tensor, dense: Tensor, *, columns: int) -> Tensor:
    """The transpose of the CSR [N, columns] times dense [N, C] -> [columns, C] float32; see `spmm`."""
    matrix = Csr(indptr, indices, values)
    check("spmm_t", matrix, columns)
    dense = checks.tensor("spmm_t", "dense", dense, (indptr.shape[0] - 1, "C"), dtypes=HALF_OR_FLOAT)
    return multiply(transpose(matrix, columns), matrix, dense)


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx, dense, matrix, back):
        ctx.back, ctx.dtype = back, dense.dtype
        return _product(matrix, dense.detach())

    @staticmethod
    @once_differentiable
    def backward(ctx, grad):
        return _product(ctx.back, grad.contiguous()).to(ctx.dtype), None, None


def _product(matrix: Csr, dense: Tensor) -> Tensor:
    out = torch.empty(matrix.indptr.shape[0] - 1, dense.shape[1])
    dispatch.native().spmm(*matrix, dense, out, dispatch.threads())
    return out
