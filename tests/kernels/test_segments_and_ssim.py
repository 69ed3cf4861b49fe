"""Segment reductions and structural similarity against their twins."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chorus_kernels import reference, segment_reduce, ssim
from chorus_kernels.ssim import gaussian_window
from tests.kernels.scenes import relative


@settings(max_examples=40)
@given(
    st.integers(0, 2**31),
    st.lists(st.integers(1, 9), max_size=30),
    st.integers(1, 70),
    st.sampled_from(["max", "mean", "sum"]),
)
def test_segments(seed, lengths, channels, reduce):
    indptr = torch.tensor([0, *lengths]).cumsum(0)
    g = torch.Generator().manual_seed(seed)
    # Few distinct values, so that maxima tie.
    x = torch.randint(-3, 3, (int(indptr[-1]), channels), generator=g).float().requires_grad_()
    y = x.detach().clone().requires_grad_()
    got, want = segment_reduce(x, indptr, reduce), reference.segment_reduce(y, indptr, reduce)
    assert torch.allclose(got, want, atol=1e-6)
    if lengths:
        outer = torch.randn(got.shape, generator=g)
        got.backward(outer)
        want.backward(outer)
        assert torch.allclose(x.grad, y.grad, atol=1e-6)


def test_empty_segments_sum_to_zero():
    out = segment_reduce(torch.ones(3, 2), torch.tensor([0, 0, 3, 3]), "mean")
    assert out.tolist() == [[0, 0], [1, 1], [0, 0]]


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 7, 5, 3), (1, 40, 33, 1), (1, 48, 64, 3), (1, 3, 100, 2)])
@pytest.mark.parametrize("window", [3, 11])
def test_ssim(shape, window):
    g = torch.Generator().manual_seed(window)
    a = torch.rand(shape, generator=g)
    b = (a + 0.1 * torch.randn(shape, generator=g)).clamp(0, 1)
    a.requires_grad_()
    exact = a.detach().double().requires_grad_()
    got = ssim(a, b, window=window)
    want = reference.ssim(exact, b.double(), gaussian_window(window, 1.5).double())
    assert abs(got.item() - want.item()) < 1e-6
    (3 * got).backward()
    (3 * want).backward()
    assert relative(a.grad, exact.grad) < 2e-6


def test_ssim_of_an_image_with_itself():
    a = torch.rand(1, 30, 30, 3)
    assert ssim(a, a).item() == pytest.approx(1.0, abs=1e-6)
