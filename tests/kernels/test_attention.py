"""Attention inside windows against its twin in float64, against torch's own, and at the edges of float32."""

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from chorus_kernels import reference, window_attention
from tests.kernels.scenes import relative

EXACT, GRADIENT = 1e-6, 2e-6  # relative L2 errors


def windows(seed: int, counts: list[int], size: int) -> tuple[int, Tensor, Tensor | None, Tensor | None]:
    """Rows M, and windows as an encoder cuts them: a sample's last window moves back over rows that are read already,
    and a sample shorter than a window leaves its end empty."""
    g = torch.Generator().manual_seed(seed)
    order, begin, rows, unread, keys = torch.randperm(sum(counts), generator=g), 0, [], [], []
    for count in counts:
        sample = order[begin : begin + count]
        for start in range(0, count, size):
            moved = max(0, min(start, count - size))
            window = sample[moved : moved + size]
            keys.append(len(window))
            rows.append(functional.pad(window, (0, size - len(window)), value=int(sample[0])))
            unread.append(torch.arange(size) < start - moved)
        begin += count
    full, alone = all(k == size for k in keys), not torch.stack(unread).any()
    return len(order), torch.stack(rows), None if alone else torch.stack(unread), None if full else torch.tensor(keys)


def qkv_of(seed: int, m: int, heads: int, spread: float = 1.0) -> Tensor:
    return spread * torch.randn(m, 3, heads, 16, generator=torch.Generator().manual_seed(seed))


sizes = st.sampled_from([1, 2, 7, 8, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 100, 128, 130])


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.lists(st.integers(1, 300), min_size=1, max_size=4), sizes, st.integers(1, 3))
@example(0, [1024], 1024, 1)
@example(1, [1500], 1024, 1)
@example(2, [700], 256, 2)
def test_values_and_gradients_match_the_twin(seed, counts, size, heads):
    m, rows, unread, keys = windows(seed, counts, size)
    qkv = qkv_of(seed, m, heads).requires_grad_()
    exact = qkv.detach().double().requires_grad_()
    got = window_attention(qkv, rows, unread=unread, keys=keys)
    want = reference.window_attention(exact, rows, unread=unread, keys=keys)
    assert relative(got, want) <= EXACT
    outer = torch.randn(got.shape, generator=torch.Generator().manual_seed(seed))
    got.backward(outer)
    want.backward(outer.double())
    assert relative(qkv.grad, exact.grad) <= GRADIENT
    with torch.no_grad():
        assert torch.equal(window_attention(qkv, rows, unread=unread, keys=keys), got)


@pytest.mark.parametrize("size", [128, 256, 1024])
def test_it_is_torchs_attention(size):
    qkv = qkv_of(0, 2 * size, 3)
    got = window_attention(qkv, torch.arange(2 * size).view(2, size))
    q, k, v = qkv.view(2, size, 3, 3, 16).permute(2, 0, 3, 1, 4)
    want = functional.scaled_dot_product_attention(q.double(), k.double(), v.double())
    got = got.view(2, size, 3, 16).transpose(1, 2)
    assert (got - want).abs().max() <= 1e-6 and relative(got, want) <= EXACT


@pytest.mark.parametrize("spread", [1e-30, 1e-3, 3.0, 6.0])
def test_softmax_is_right_for_small_and_large_scores(spread):
    """Scores up to some hundreds: float32 has them to 1e-5 of one then, and so are the weights."""
    m, rows, unread, keys = windows(3, [200, 37], 70)
    qkv = qkv_of(5, m, 2, spread)
    got = window_attention(qkv, rows, unread=unread, keys=keys)
    want = reference.window_attention(qkv.double(), rows, unread=unread, keys=keys)
    plain = reference.window_attention(qkv, rows, unread=unread, keys=keys)
    assert relative(got, want) <= max(EXACT, 3 * relative(plain, want))


@pytest.mark.parametrize("scale", [1e2, 1e5, 1e12, 1e19, 3e38])
@pytest.mark.parametrize("size", [5, 64, 200])
def test_extreme_scores_pick_the_largest(scale, size):
    """Rising, falling and equal scores of any size: the answer is the value of the largest, or the mean of equals."""
    qkv = torch.zeros(size, 3, 3, 16)
    qkv[:, 0, :, 0] = scale
    qkv[:, 1, 0, 0] = torch.linspace(-1, 1, size) * scale
    qkv[:, 1, 1, 0] = torch.linspace(1, -1, size) * scale
    qkv[:, 1, 2, 0] = -scale
    qkv[:, 2] = torch.randn(size, 3, 16, generator=torch.Generator().manual_seed(1))
    if scale > 1e18:  # beyond 1e18 all count as that: only the largest keeps its own place
        qkv[:-1, 1, 0, 0], qkv[1:, 1, 1, 0] = -scale, -scale
    values = qkv[:, 2].clone()
    qkv.requires_grad_()
    out = window_attention(qkv, torch.arange(size)[None])
    want = torch.stack([values[-1, 0], values[0, 1], values[:, 2].mean(0)])
    torch.testing.assert_close(out, want.expand_as(out), rtol=1e-5, atol=1e-6)
    out.sum().backward()
    assert torch.isfinite(qkv.grad).all()


@pytest.mark.parametrize("late", [0, 3, 40, 90])
def test_a_late_large_score_counts(late):
    """The running maximum rises and falls by hundreds within a window, differently in every query."""
    g = torch.Generator().manual_seed(late)
    qkv = torch.randn(100, 3, 1, 16, generator=g)
    qkv[:, 0] *= torch.logspace(-2, 2, 100)[:, None, None]
    qkv[late, 1] *= 30
    qkv[late // 2, 1] *= -10
    got = window_attention(qkv, torch.arange(100)[None])
    plain = reference.window_attention(qkv, torch.arange(100)[None])
    want = reference.window_attention(qkv.double(), torch.arange(100)[None])
    assert relative(got, want) <= max(EXACT, 3 * relative(plain, want))


def test_infinite_channels_of_queries_and_keys_give_no_nan():
    qkv = qkv_of(0, 40, 2)
    qkv[3, 0, 0, 5], qkv[7, 1, 0, 2], qkv[8, 1, 1] = float("inf"), float("-inf"), float("-inf")
    assert torch.isfinite(window_attention(qkv, torch.arange(40).view(2, 20))).all()


def test_a_nan_is_not_hidden():
    qkv = qkv_of(0, 40, 1)
    qkv[3, 1, 0, 5] = float("nan")
    out = window_attention(qkv, torch.arange(40).view(2, 20))
    assert out[:20].isnan().all() and torch.isfinite(out[20:]).all()


def test_what_stands_beyond_the_keys_is_not_read():
    qkv = qkv_of(0, 30, 1)
    rows = torch.arange(30)[None].repeat(1, 2)[:, :40]
    got = window_attention(qkv, rows, keys=torch.tensor([30]))
    assert torch.equal(got, window_attention(qkv, rows[:, :30].contiguous()))


def test_no_rows():
    qkv = torch.zeros(0, 3, 2, 16, requires_grad=True)
    out = window_attention(qkv, torch.zeros(0, 8, dtype=torch.int64))
    out.sum().backward()
    assert out.shape == (0, 2, 16) and qkv.grad is not None


GOOD = {"qkv": torch.zeros(6, 3, 2, 16), "rows": torch.arange(6).view(2, 3)}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"qkv": torch.zeros(6, 3, 2, 8)}, r"qkv must have shape \[M, 3, H, 16\], got \[6, 3, 2, 8\]"),
        ({"qkv": torch.zeros(6, 3, 2, 16).double()}, "qkv must be float32, got float64"),
        ({"qkv": torch.zeros(6, 2, 3, 16).transpose(1, 2)}, "qkv must be contiguous"),
        ({"rows": torch.arange(6, dtype=torch.int32).view(2, 3)}, "rows must be int64, got int32"),
        ({"rows": torch.arange(6).view(2, 3) + 1}, r"rows must hold rows in \[0, 6\), got 6"),
        ({"rows": torch.tensor([[0, 1, 2], [2, 3, 4]])}, "row 2 must be read from one window, not two"),
        ({"rows": torch.arange(3)[None]}, "every row must be read from a window, but 3 are in none"),
        ({"unread": torch.zeros(2, 2, dtype=torch.bool)}, r"unread must have shape \[2, 3\]"),
        ({"keys": torch.tensor([3, 4])}, "keys must hold counts from 1 to 3, got 4"),
        ({"keys": torch.tensor([3, 0])}, "keys must hold counts from 1 to 3, got 0"),
    ],
)
def test_bad_input_is_named(wrong, message):
    with pytest.raises(ValueError, match=f"window_attention: {message}"):
        window_attention(**GOOD | wrong)
