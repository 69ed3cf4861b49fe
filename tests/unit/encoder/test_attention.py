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


@given(counts=st.lists(st.integers(1, 70), min_size=1, max_size=4), window=st.sampled_from([8, 16, 33]))
def test_windows_are_those_of_the_literal_padding(counts, window):
    torch.manual_seed(0)
    module, x = WindowAttention(16, 2), torch.randn(sum(counts), 16, requires_grad=True)
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
