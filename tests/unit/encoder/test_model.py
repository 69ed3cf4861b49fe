import pytest
import torch

from chorus.encoder.heads import Head
from chorus.encoder.model import Encoder, EncoderConfig, preset
from chorus.errors import InputError

SMALL = EncoderConfig(channels=(16, 16, 32), depths=(1, 2, 1), heads=(1, 1, 2), window=32, drop_path=0.1)


def voxels(count: int, size: int = 24, seed: int = 0):
    draw = torch.Generator().manual_seed(seed)
    cells = torch.randperm(size**3, generator=draw)[:count]
    grid = torch.stack([cells // size**2, cells // size % size, cells % size], dim=1)
    return grid, torch.randn(count, 11, generator=draw)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Encoder(SMALL).eval()


def count(module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_base_has_the_released_size():
    with torch.device("meta"):
        base = Encoder(preset("base"))
        heads = [Head(1232, 4928, channels) for channels in (1152, 1024)]
    assert count(base) == 108_461_424
    assert count(base) + sum(map(count, heads)) == 131_344_304


def test_names_and_layouts_of_the_released_weights():
    with torch.device("meta"):
        state = {name: tuple(p.shape) for name, p in Encoder(preset("base")).state_dict().items()}
    assert len(state) == 452
    assert state["embedding.stem.linear.weight"] == (48, 11)
    assert state["enc.enc1.block0.cpe.0.weight"] == (96, 3, 3, 3, 96)
    assert state["enc.enc4.down.norm.0.weight"] == (512,)
    assert state["enc.enc3.block11.mlp.0.fc2.weight"] == (384, 1536)
    assert state["enc.enc2.block2.attn.qkv.bias"] == (576,)


def test_two_runs_are_bitwise_equal(encoder):
    grid, feat = voxels(700)
    first, second = (encoder(grid, feat, torch.tensor([700])) for _ in range(2))
    assert torch.equal(first.upcast, second.upcast)
    assert torch.equal(first.tokens, second.tokens)


def test_permuting_rows_permutes_features_bit_for_bit(encoder):
    grid, feat = voxels(700)
    order = torch.randperm(700, generator=torch.Generator().manual_seed(1))
    plain, mixed = encoder(grid, feat, torch.tensor([700])), encoder(grid[order], feat[order], torch.tensor([700]))
    assert torch.equal(plain.upcast[order], mixed.upcast)
    assert torch.equal(plain.tokens, mixed.tokens)
    assert torch.equal(plain.tokens_grid, mixed.tokens_grid)


@torch.no_grad()
def test_a_batch_gives_what_its_samples_give(encoder):
    """Samples of one extent, so that their curves have one depth; the third is shorter than a window."""
    counts = (300, 150, 9)
    parts = [voxels(count, seed=i) for i, count in enumerate(counts)]
    corner = torch.tensor([[23, 23, 23]])
    parts = [(torch.cat([grid[(grid != 23).any(dim=1)][: len(grid) - 1], corner]), feat) for grid, feat in parts]
    parts = [(grid, feat[: len(grid)]) for grid, feat in parts]
    offset = torch.tensor([len(grid) for grid, _ in parts]).cumsum(0)
    together = encoder(torch.cat([g for g, _ in parts]), torch.cat([f for _, f in parts]), offset)
    for i, (grid, feat) in enumerate(parts):
        alone = encoder(grid, feat, torch.tensor([len(grid)]))
        torch.testing.assert_close(
            together.upcast[offset[i] - len(grid) : offset[i]], alone.upcast, rtol=1e-4, atol=1e-5
        )
        torch.testing.assert_close(together.tokens[together.tokens_batch == i], alone.tokens, rtol=1e-4, atol=1e-5)


def test_rows_asked_for_are_those_of_all_rows(encoder):
    grid, feat = voxels(300)
    rows = torch.tensor([5, 5, 299, 0])
    pyramid = encoder.prepare(grid, torch.tensor([300]))
    assert torch.equal(encoder.run(pyramid, feat, rows=rows).upcast, encoder.run(pyramid, feat).upcast[rows])


def test_gradients_reach_every_parameter(encoder):
    grid, feat = voxels(300)
    encoder.train()(grid, feat, torch.tensor([300])).upcast.square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in encoder.parameters())


@pytest.mark.parametrize("rows", [1, 2])
def test_one_or_two_voxels(encoder, rows):
    grid, feat = voxels(rows)
    assert torch.isfinite(encoder(grid, feat, torch.tensor([rows])).upcast).all()


@torch.no_grad()
def test_cells_of_21_bits_an_axis(encoder):
    far = 2**21 - 2
    grid = torch.tensor([[0, 0, 0], [far, far, far], [far, 0, 5], [1, far, 3]])
    out = encoder(grid, torch.randn(4, 11), torch.tensor([4]))
    assert torch.isfinite(out.upcast).all()
    assert out.tokens_grid.tolist() == [[0, 0, 0], [0, far // 4, 0], [far // 4, 0, 1], [far // 4] * 3]


def test_a_level_without_blocks():
    config = EncoderConfig(channels=(16, 16), depths=(0, 1), heads=(1, 1), window=32)
    grid, feat = voxels(100)
    assert Encoder(config)(grid, feat, torch.tensor([100])).upcast.shape == (100, 32)


def test_bad_input(encoder):
    grid, feat = voxels(50)
    with pytest.raises(InputError, match="features \\[N, 11\\]"):
        encoder(grid, feat[:, :9], torch.tensor([50]))
    with pytest.raises(InputError, match="repeated voxels"):
        encoder(torch.cat([grid, grid[:1]]), torch.cat([feat, feat[:1]]), torch.tensor([51]))
    with pytest.raises(InputError, match="rows in grid, feat and offset"):
        encoder(grid, feat, torch.tensor([49]))
    with pytest.raises(InputError, match="cells from 0"):
        encoder(grid - 1, feat, torch.tensor([50]))
    with pytest.raises(InputError, match="tiny | small | base"):
        preset("huge")
    with pytest.raises(InputError, match="divisible by heads"):
        EncoderConfig(channels=(16,), depths=(1,), heads=(3,))
