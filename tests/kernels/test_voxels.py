"""Neighbor tables and curve codes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chorus_kernels import curve_codes, neighbors, reference
from chorus_kernels.voxels import ORDERS


def random_voxels(seed: int, n: int, side: int, batches: int) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    rows = torch.cat([torch.randint(0, batches, (n, 1), generator=g), torch.randint(0, side, (n, 3), generator=g)], 1)
    rows = torch.unique(rows, dim=0)
    rows = rows[torch.randperm(len(rows), generator=g)]
    return rows[:, 1:].contiguous(), rows[:, 0].contiguous()


@settings(max_examples=60)
@given(st.integers(0, 2**31), st.integers(1, 300), st.sampled_from([1, 2, 5, 30, 1000]), st.integers(1, 3))
def test_neighbors_match_the_twin(seed, n, side, batches):
    grid, batch = random_voxels(seed, n, side, batches)
    table = neighbors(grid - side // 2, batch)
    assert torch.equal(table, reference.neighbors(grid - side // 2, batch))
    for k in range(27):  # symmetric
        here = (table[k] >= 0).nonzero()[:, 0]
        assert torch.equal(table[26 - k, table[k, here].long()], here.to(torch.int32))


def test_neighbors_over_the_whole_range():
    corner = torch.tensor([[0, 0, 0], [2**20, 2**20, 2**20], [2**20, 2**20, 2**20 - 1], [2**20 - 1, 0, 0]])
    batch = torch.tensor([0, 70000, 70000, 70000])
    table = neighbors(corner, batch)
    assert table[14].tolist() == [-1, -1, 1, -1] and table[12].tolist() == [-1, 2, -1, -1]
    assert (table >= 0).sum() == 6
    assert neighbors(corner[:0], batch[:0]).shape == (27, 0)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("depth", [1, 2, 7, 16, 20])
def test_codes_match_the_twin(order, depth):
    g = torch.Generator().manual_seed(depth)
    grid, batch = torch.randint(0, 2**depth, (1000, 3), generator=g), torch.randint(0, 7, (1000,), generator=g)
    assert torch.equal(curve_codes(grid, batch, order, depth), reference.curve_codes(grid, batch, order, depth))


def test_full_depth_fills_63_bits():
    grid = torch.full((1, 3), 2**21 - 1)
    assert curve_codes(grid, torch.tensor([0]), "z", 21).item() == 2**63 - 1


@pytest.mark.parametrize("order", ["hilbert", "hilbert-trans"])
def test_hilbert_steps_to_a_neighbor(order):
    axis = torch.arange(16)
    grid = torch.cartesian_prod(axis, axis, axis)
    codes = curve_codes(grid, torch.zeros(len(grid), dtype=torch.int64), order, 4)
    path = grid[codes.argsort()]
    assert torch.equal(codes.sort().values, torch.arange(16**3))
    assert (path.diff(dim=0).abs().sum(1) == 1).all()


def test_z_puts_x_first_and_batch_on_top():
    grid = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert curve_codes(grid, torch.zeros(3, dtype=torch.int64), "z", 5).tolist() == [4, 2, 1]
    assert curve_codes(grid, torch.zeros(3, dtype=torch.int64), "z-trans", 5).tolist() == [2, 4, 1]
    assert curve_codes(grid, torch.ones(3, dtype=torch.int64), "z", 5).tolist() == [2**15 + 4, 2**15 + 2, 2**15 + 1]
