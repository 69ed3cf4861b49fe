"""Agreement with the recorded output of the released architecture (tests/golden).

The recording has faults of its own: for single rows of single blocks its sparse convolution read a wrong neighbour (in block 3, row 184
saw row 415 in place of row 0), and attention and pooling carry that on. Compared here is what no fault has reached, to rounding;
everything else within what the faults do; and one fault is repeated on purpose, after which its sample agrees too.
"""

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
    encoder.load_state_dict({name.removeprefix("weights."): tensor for name, tensor in golden.items() if name.startswith("weights.")})
    return encoder


@pytest.fixture(scope="module")
def output(encoder, golden):
    with torch.no_grad():
        return encoder(golden["grid_coord"], golden["feat"], golden["offset"])


def test_the_sample_shorter_than_a_window_agrees_before_the_first_fault(output, golden):
    start, end = golden["offset"][:2].tolist()
    error = (output.upcast - golden["output_upcast"])[start:end, :32].abs()  # two levels, five blocks
    assert float(error.max()) < 1e-5


def test_rows_no_fault_has_reached_agree_at_the_finest_level(output, golden):
    error = (output.upcast - golden["output_upcast"])[:, :16].abs().amax(dim=1)
    assert int((error < 3e-6).sum()) >= 210  # of 427, after four blocks


def test_the_whole_agrees_within_the_faults(output, golden):
    assert torch.equal(output.tokens_grid, golden["output_last_grid"])
    for found, name in ((output.upcast, "output_upcast"), (output.tokens, "output_last")):
        assert float((found - golden[name]).norm() / golden[name].norm()) < 6e-3


def test_the_recorded_fault_explains_the_rest_of_the_first_sample(encoder, golden):
    pyramid = encoder.prepare(golden["grid_coord"], golden["offset"])
    row, wrong = pyramid.place[184], int(pyramid.place[415])
    assert int(pyramid.order[pyramid.levels[0].table[12, row]]) == 0

    def misread(module, args):
        x, table = args
        table = table.clone()
        table[12, row] = wrong
        return x, table

    handle = encoder.enc["enc0"]["block3"].cpe[0].register_forward_pre_hook(misread)
    with torch.no_grad():
        found = encoder.run(pyramid, golden["feat"]).upcast
    handle.remove()
    end = int(golden["offset"][0])
    assert float((found - golden["output_upcast"])[:end, :16].abs().max()) < 1e-4
