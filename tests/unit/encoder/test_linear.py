import pytest
import torch
from torch import nn

from chorus.encoder import linear as module
from chorus.encoder.linear import in_row_blocks, linear, plus


@pytest.mark.parametrize("gelu", [False, True])
@pytest.mark.parametrize("rows", [0, 1, 300])
def test_the_fused_operator_is_the_layer(gelu, rows):
    torch.manual_seed(0)
    layer, x = nn.Linear(24, 40), 3 * torch.randn(rows, 24)
    expected = nn.functional.linear(x.double(), layer.weight.double(), layer.bias.double())
    expected = nn.functional.gelu(expected) if gelu else expected
    with torch.no_grad():
        torch.testing.assert_close(linear(x, layer, gelu=gelu).double(), expected, rtol=1e-5, atol=1e-5)
    kept = linear(x, layer, gelu=gelu)
    assert kept.requires_grad
    torch.testing.assert_close(kept.double(), expected, rtol=1e-5, atol=1e-5)


def test_a_wrapped_layer_runs_itself():
    class Twice(nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    layer, x = Twice(4, 4), torch.randn(3, 4)
    with torch.no_grad():
        assert torch.equal(linear(x, layer), layer(x))
        assert torch.equal(linear(x, layer, gelu=True), nn.functional.gelu(layer(x)))


@pytest.mark.parametrize("rows", [1, 16, 33])
def test_blocks_of_rows_change_nothing(monkeypatch, rows):
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 8 * 16)  # 16 rows
    x = torch.randn(rows, 3)
    seen = []
    with torch.no_grad():
        out = in_row_blocks(lambda block: (seen.append(len(block)), block * 2)[1], x, width=8)
    assert torch.equal(out, x * 2)
    assert seen == [16] * (rows // 16) + ([rows % 16] if rows % 16 else [])


@pytest.mark.parametrize("rows", [0, 1, 16, 33])
@pytest.mark.parametrize("own", [False, True])
def test_a_sum_in_blocks_of_rows_is_the_sum_in_its_own_place(monkeypatch, rows, own):
    monkeypatch.setattr(module, "BLOCK_BYTES", 4 * 8 * 16)  # 16 rows
    x, other = torch.randn(rows, 3), torch.randn(rows, 3)
    expected = x + (x if own else other) * 2
    kept = plus(x, lambda block: block * 2, x if own else other, width=8)
    assert torch.equal(kept, expected) and kept is not x
    with torch.no_grad():
        assert plus(x, lambda block: block * 2, x if own else other, width=8) is x
    assert torch.equal(x, expected)
