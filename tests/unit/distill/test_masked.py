"""Masked scene modelling: what is hidden, what is asked, and that it is learnt."""

import pytest
import torch

from chorus.distill.masked import hidden, standardised, train_masked
from chorus.encoder.checkpoint import load_model
from chorus.encoder.encode import SceneEncoder
from chorus.encoder.inputs import InputConfig, voxelize
from chorus.encoder.model import EncoderConfig
from chorus.errors import InputError
from tests.unit.distill.small import PARAMS
from tests.unit.distill.test_train import files

INPUTS = InputConfig(grid_size=0.2, upright=True)
CONFIG = EncoderConfig(
    in_channels=INPUTS.channels, channels=(16, 16, 32), depths=(0, 1, 1), heads=(1, 1, 2), window=64, drop_path=0.1
)


@pytest.fixture
def run(make_room):
    """A training of so many steps over three rooms."""
    rooms = {f"room{seed}": make_room(900, seed=seed) for seed in range(3)}

    def train(out, steps=12, names=tuple(rooms), **options):
        params = PARAMS.__class__(**{**PARAMS.__dict__, "steps": steps})
        setup = {"encoder_config": CONFIG, "inputs": INPUTS, "params": params}
        return train_masked(names, rooms.__getitem__, **setup, out=out, **options)

    return train


@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 1.0])
def test_whole_blocks_are_hidden_and_never_all(make_room, share):
    grid = voxelize(make_room(900), INPUTS).grid
    away = hidden(grid, cells=3, share=share, generator=torch.Generator().manual_seed(0))
    blocks = [tuple(row) for row in (grid // 3).tolist()]
    state = {}
    for block, gone in zip(blocks, away.tolist(), strict=True):
        assert state.setdefault(block, gone) == gone
    gone = sum(state.values())
    assert gone == max(1, min(round(share * len(state)), len(state) - 1)) and 0 < gone < len(state)


def test_of_one_block_all_is_hidden():
    away = hidden(torch.zeros(1, 3).int(), cells=3, share=0.6, generator=torch.Generator())
    assert away.tolist() == [True]


def test_what_is_asked_has_no_mean_and_varies_by_one(make_room):
    asked = standardised(voxelize(make_room(900), INPUTS))
    torch.testing.assert_close(asked.mean(dim=0), torch.zeros(asked.shape[1]), atol=1e-4, rtol=0)
    spread = asked.square().mean(dim=0).sqrt()
    assert ((spread - 1).abs().lt(1e-3) | spread.eq(0)).all() and (spread > 0.9).sum() > 10


def test_it_learns_and_leaves_a_model_that_encodes(run, make_room, tmp_path):
    result = run(tmp_path, steps=80)
    assert result.curves[-1]["masked"] < 0.9 * result.curves[0]["masked"]
    model = load_model(tmp_path)
    assert model.config.notes["labels_read"] == [] and not model.heads
    out = SceneEncoder(model).encode(make_room(500, seed=9), ("upcast",), progress=False)
    assert out.upcast.shape == (500, CONFIG.width)


def test_the_same_seed_gives_the_same_bytes_and_another_others(run, tmp_path):
    for name, seed in (("one", 0), ("two", 0), ("other", 1)):
        run(tmp_path / name, seed=seed)
    assert files(tmp_path / "one") == files(tmp_path / "two") != files(tmp_path / "other")


def test_no_room_is_refused(run, tmp_path):
    with pytest.raises(InputError, match="at least one training scene"):
        run(tmp_path, names=())
