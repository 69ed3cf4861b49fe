import torch
from hypothesis import given
from hypothesis import strategies as st

from chorus.encoder.attention import WindowAttention, make_windows


def padded_rows(order: torch.Tensor, window: int) -> list[torch.Tensor]:
    """The literal rule: pad to whole windows by repeating the rows just before the gap; a shorter sample is one
    window."""
    count = len(order)
    if count <= window:
        return [order]
    padded = order.tolist()
    gap = -count % window
    if gap:
        padded += padded[count - (window - gap) - gap : count - (window - gap)]
    return list(torch.tensor(padded).split(window))


def literal_attention(
    module: WindowAttention, x: torch.Tensor, orders: list[torch.Tensor], window: int
) -> torch.Tensor:
    out = torch.zeros_like(x)
    for order in orders:
        for i, rows in enumerate(padded_rows(order, window)):
            q, k, v = module.qkv(x[rows]).view(len(rows), 3, module.heads, -1).permute(1, 2, 0, 3)
            y = ((q @ k.transpose(1, 2)) * q.shape[-1] ** -0.5).softmax(-1) @ v
            own = len(order[i * window : (i + 1) * window])
            out[rows[:own]] = y.transpose(0, 1).reshape(len(rows), -1)[:own]
    return module.proj(out)


@given(
    counts=st.lists(st.integers(1, 70), min_size=1, max_size=4),
    window=st.sampled_from([8, 16, 33]),
    heads=st.sampled_from([2, 4]),  # of 32 channels: the native op's head size, and another
)
def test_windows_are_those_of_the_literal_padding(counts, window, heads):
    torch.manual_seed(0)
    module, x = WindowAttention(32, heads), torch.randn(sum(counts), 32, requires_grad=True)
    orders, start = [], 0
    for count in counts:
        orders.append(torch.randperm(count) + start)
        start += count
    windows = make_windows(torch.cat(orders), torch.tensor(counts), window)
    found = module(x, windows)
    expected = literal_attention(module, x, orders, window)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    weight = torch.randn_like(found)
    grads = [torch.autograd.grad((y * weight).sum(), x, retain_graph=True)[0] for y in (found, expected)]
    torch.testing.assert_close(*grads, rtol=1e-3, atol=1e-5)


def test_the_native_op_and_torch_agree():
    torch.manual_seed(1)
    module = WindowAttention(48, 3)
    windows = make_windows(torch.randperm(300), torch.tensor([200, 30, 70]), 64)
    qkv = torch.randn(300, 144)
    found, expected = module._native(qkv, windows), module._torch(qkv, windows)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
