"""The CUDA paths: their torch code on the CPU against the native ops, and on a card against the CPU."""

import pytest
import torch

from chorus_kernels import conv_cuda, neighbors, segment_reduce, submanifold_conv


def case(rows: int = 400, channels: tuple[int, int] = (5, 7)):
    draw = torch.Generator().manual_seed(0)
    cells = torch.randperm(10**3, generator=draw)[:rows]
    grid = torch.stack([cells // 100, cells // 10 % 10, cells % 10], 1)
    cin, cout = channels
    leaves = (
        torch.randn(rows, cin, generator=draw),
        torch.randn(cout, 3, 3, 3, cin, generator=draw) * 0.1,
        torch.randn(cout, generator=draw),
    )
    return neighbors(grid, torch.arange(rows) % 2), leaves


def values_and_gradients(conv, table, leaves):
    leaves = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    out = conv(*leaves[:2], table, leaves[2])
    (out * torch.linspace(-1, 1, out.numel(), device=out.device).view_as(out)).sum().backward()
    return [x.detach().cpu() for x in (out, *(leaf.grad for leaf in leaves))]


def test_the_torch_path_is_the_native_convolution():
    table, leaves = case()
    for found, expected in zip(
        *(values_and_gradients(conv, table, leaves) for conv in (conv_cuda.submanifold_conv, submanifold_conv)),
        strict=True,
    ):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_autocast_sets_the_type_of_the_products():
    table, (feat, weight, bias) = case()
    with torch.autocast("cpu", torch.bfloat16):
        half = conv_cuda.submanifold_conv(feat, weight, table, None)
    assert half.dtype == torch.bfloat16
    assert float((half.float() - submanifold_conv(feat, weight, table)).norm() / half.float().norm()) < 0.02


def test_pairs_are_the_table():
    table, _ = case()
    rows, counts = conv_cuda.pairs_of(table)
    assert torch.equal(counts, counts.flip(0))
    for k in range(27):
        read, written = rows[:, k, : counts[k]].long()
        assert torch.equal(table[k, written].long(), read)
        assert bool((rows[:, k, counts[k] :] == -1).all())
    assert int(counts.sum()) == int((table >= 0).sum())


@pytest.mark.parametrize("reduce", ["max", "mean", "sum"])
def test_segments(reduce):
    x, indptr = torch.randn(50, 3), torch.tensor([0, 1, 20, 50])
    torch.testing.assert_close(conv_cuda.segment_reduce(x, indptr, reduce), segment_reduce(x, indptr, reduce))


@pytest.mark.gpu
@pytest.mark.parametrize("spconv", [False, True])
def test_a_card_agrees_with_the_cpu(spconv, monkeypatch):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA")
    if spconv and conv_cuda.spconv_functional() is None:
        pytest.skip("no spconv")
    if not spconv:
        monkeypatch.setattr(conv_cuda, "spconv_functional", lambda: None)
    table, leaves = case(channels=(16, 16))
    on_cpu = values_and_gradients(submanifold_conv, table, leaves)
    on_card = values_and_gradients(submanifold_conv, table.cuda(), [leaf.cuda() for leaf in leaves])
    for found, expected in zip(on_card, on_cpu, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
