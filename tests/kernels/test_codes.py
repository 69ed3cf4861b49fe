"""Coded rows, against the twin and against the transform they are the codes of."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from chorus.teachers.row_codec import from_haar
from chorus_kernels import decode_rows, reference
from chorus_kernels.codes import level_scales, run_lengths


def coded_chunk(seed: int, *, axes: int, rows: int, kept: float = 0.8, large: int = 300) -> tuple:
    """Arguments of decode_rows: runs in any order, some left out, with codes up to ``large``."""
    draw = torch.Generator().manual_seed(seed)
    levels = rows.bit_length()
    order = torch.randperm(levels * axes, generator=draw)
    order = order[: max(1, int(kept * len(order)))].int()
    count = int(run_lengths(order, axes).sum())
    folded = torch.randint(0, large, (count,), generator=draw)
    above = torch.nonzero(folded > 255)
    wide = int(above[-1]) + 1 if len(above) else 0
    return torch.cat([folded & 255, folded[:wide] >> 8]).to(torch.uint8), wide, order, axes, rows


@settings(max_examples=60)
@given(
    st.integers(0, 2**31),
    st.integers(1, 70),
    st.sampled_from([2, 4, 32, 256, 1024]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([2, 256, 257, 65_536]),
)
def test_rows_match_the_twin_to_the_bit(seed, axes, rows, kept, large):
    data, wide, order, *_ = coded_chunk(seed, axes=axes, rows=rows, kept=kept, large=large)
    found = decode_rows(data, wide, order, axes, rows)
    expected = reference.decode_rows(data, wide, order, level_scales(rows.bit_length()), axes, rows)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("axes", [1, 15, 16, 17, 100])
def test_rows_are_the_inverse_transform_of_their_codes(axes):
    rows = 1024
    draw = torch.Generator().manual_seed(axes)
    codes = torch.randint(-40, 40, (rows, axes), generator=draw, dtype=torch.int16)
    runs: list[Tensor] = []
    for level in range(rows.bit_length()):
        first = 1 << (level - 1) if level else 0
        runs += codes[first : max(1, 2 * first)].T
    chosen = torch.cat(runs).int()
    data = ((chosen << 1) ^ (chosen >> 31)).to(torch.uint8)
    order = torch.arange(rows.bit_length() * axes, dtype=torch.int32)
    found = decode_rows(data, 0, order, axes, rows)
    assert torch.equal(found, from_haar(codes[None])[0])
    exact = from_haar(codes[None].double())[0]
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=1e-4)


def test_no_runs_are_rows_of_zeros():
    empty = torch.empty(0, dtype=torch.uint8)
    assert torch.equal(decode_rows(empty, 0, empty.int(), 3, 4), torch.zeros(4, 3))
