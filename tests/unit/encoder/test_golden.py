"""Agreement with the recorded output of the released architecture (tests/golden), made by spconv's CPU build on one
thread."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from chorus.encoder.model import Encoder, EncoderConfig

GOLDEN = Path(__file__).parents[2] / "golden" / "encoder_golden_small.safetensors"
CONFIG = EncoderConfig(channels=(16,) * 5, heads=(1,) * 5, depths=(4, 1, 2, 1, 1), window=64)


@pytest.fixture(scope="module")
def golden():
    return load_file(GOLDEN)


@pytest.fixture(scope="module")
def encoder(golden):
    encoder = Encoder(CONFIG).eval()
    encoder.load_state_dict(
        {name.removeprefix("weights."): tensor for name, tensor in golden.items() if name.startswith("weights.")}
    )
    return encoder


@torch.no_grad()
def test_a_batch_with_a_sample_shorter_than_a_window_agrees(encoder, golden):
    sizes = golden["offset"].diff(prepend=golden["offset"].new_zeros(1))
    assert len(sizes) == 3 and int(sizes.min()) < CONFIG.window
    output = encoder(golden["grid_coord"], golden["feat"], golden["offset"])
    assert torch.equal(output.tokens_grid, golden["output_last_grid"])
    for found, name in ((output.upcast, "output_upcast"), (output.tokens, "output_last")):
        torch.testing.assert_close(found, golden[name], atol=1e-5, rtol=0)
