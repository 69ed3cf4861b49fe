"""Sparse products against dense ones."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chorus_kernels import spmm, spmm_t
from chorus_kernels.results import Csr
from tests.kernels.scenes import relative


def random_csr(seed: int, rows: int, columns: int):
    g = torch.Generator().manual_seed(seed)
    matrix = torch.randn(rows, columns, generator=g) * (torch.rand(rows, columns, generator=g) < 0.2)
    counts = (matrix != 0).sum(1)
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    where = matrix.nonzero()
    return matrix, (indptr, where[:, 1].to(torch.int32), matrix[where[:, 0], where[:, 1]].contiguous())


@pytest.mark.parametrize("kernels", ["native", "reference"])
def test_the_transpose_is_the_dense_one(kernels, monkeypatch):
    monkeypatch.setenv("CHORUS_KERNELS", kernels)
    matrix, csr = random_csr(5, 30, 17)
    got = Csr(*csr).transpose(17)
    want = matrix.T.contiguous().to_sparse_csr()
    assert torch.equal(got.indptr, want.crow_indices())
    assert torch.equal(got.indices.long(), want.col_indices())
    assert torch.equal(got.values, want.values())


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.integers(1, 40), st.integers(1, 40), st.integers(1, 300), st.booleans())
def test_products_and_gradients(seed, rows, columns, channels, half):
    matrix, csr = random_csr(seed, rows, columns)
    dtype = torch.float16 if half else torch.float32
    for op, m, n in (
        (lambda d: spmm(*csr, d), matrix, columns),
        (lambda d: spmm_t(*csr, d, columns=columns), matrix.T, rows),
    ):
        dense = torch.randn(n, channels).to(dtype).requires_grad_()
        out = op(dense)
        assert out.dtype == torch.float32 and relative(out, m.double() @ dense.double()) <= 1e-6
        outer = torch.randn_like(out)
        out.backward(outer)
        assert dense.grad.dtype == dtype
        assert relative(dense.grad, m.double().T @ outer.double()) <= (1e-3 if half else 1e-6)
