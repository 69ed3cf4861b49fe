"""Submanifold convolution against its twin, and against a dense convolution."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from chorus_kernels import neighbors, reference, submanifold_conv
from tests.kernels.scenes import close
from tests.kernels.test_voxels import random_voxels


@settings(max_examples=25)
@given(
    st.integers(0, 2**31),
    st.integers(1, 700),
    st.sampled_from([3, 8, 20]),
    st.sampled_from([(1, 1), (3, 5), (16, 16), (32, 32), (9, 48), (33, 70), (64, 96)]),
    st.booleans(),
)
def test_values_and_gradients_match_the_twin(seed, n, side, channels, with_bias):
    grid, batch = random_voxels(seed, n, side, 2)
    cin, cout = channels
    table = neighbors(grid, batch)
    torch.manual_seed(seed)
    leaves = [torch.randn(len(grid), cin), torch.randn(cout, 3, 3, 3, cin)] + [torch.randn(cout)] * with_bias
    leaves = [x.clone().requires_grad_() for x in leaves]
    exact = [x.detach().double().requires_grad_() for x in leaves]
    got = submanifold_conv(*leaves[:2], table, *leaves[2:])
    want = reference.submanifold_conv(*exact[:2], table, *exact[2:])
    assert close(got, want, 1e-6)
    outer = torch.randn_like(got)
    got.backward(outer)
    want.backward(outer.double())
    for a, b in zip(leaves, exact, strict=True):
        assert close(a.grad, b.grad, 2e-6, atol=1e-5)  # sums of hundreds of numbers of order one may cancel


def test_it_is_a_cross_correlation():
    axis = torch.arange(5)
    grid = torch.cartesian_prod(axis, axis, axis)
    feat, weight = torch.randn(125, 4), torch.randn(6, 3, 3, 3, 4)
    got = submanifold_conv(feat, weight, neighbors(grid, torch.zeros(125, dtype=torch.int64)))
    image = feat.view(1, 5, 5, 5, 4).permute(0, 4, 1, 2, 3)
    want = functional.conv3d(image, weight.permute(0, 4, 1, 2, 3), padding=1)
    assert torch.allclose(got, want.permute(0, 2, 3, 4, 1).reshape(125, 6), atol=1e-4)


def test_no_voxels():
    feat = torch.zeros(0, 4, requires_grad=True)
    weight = torch.randn(8, 3, 3, 3, 4, requires_grad=True)
    out = submanifold_conv(feat, weight, torch.zeros(27, 0, dtype=torch.int32))
    out.sum().backward()
    assert out.shape == (0, 8) and not weight.grad.any()
