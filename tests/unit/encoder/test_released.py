import pytest
import torch

from chorus.encoder.checkpoint import load_model
from chorus.encoder.heads import Head
from chorus.encoder.model import Encoder, EncoderConfig
from chorus.encoder.released import import_checkpoint
from chorus.errors import InputError

SIZE = EncoderConfig(channels=(16, 32), depths=(1, 2), heads=(1, 2))


@pytest.fixture
def released(tmp_path):
    """A file laid out as training leaves it."""
    torch.manual_seed(0)
    encoder, head = Encoder(SIZE), Head(48, 64, 10)
    state = {f"module.backbone.{name}": tensor for name, tensor in encoder.state_dict().items()}
    state |= {f"module.proj_siglip.{name}": tensor for name, tensor in head.state_dict().items()}
    state["module.other.scale"] = torch.ones(1)
    path = tmp_path / "model.pth"
    torch.save({"epoch": 3, "state_dict": state}, path)
    return path, encoder, head


def test_encoder_and_projector_are_found_by_name_and_shape(released, tmp_path):
    path, encoder, head = released
    found = import_checkpoint(path, tmp_path / "out")
    assert (len(found.matched), found.missing, found.unexpected) == (
        len(encoder.state_dict()) + 6,
        (),
        ("module.other.scale",),
    )
    assert "1 unexpected (first module.other.scale)" in str(found)
    again = load_model(tmp_path / "out")
    assert (again.config.encoder.channels, again.config.encoder.depths, again.config.inputs.variant) == (
        (16, 32),
        (1, 2),
        "splats",
    )
    assert again.config.heads["lang"].teacher == "proj_siglip"
    assert all(torch.equal(tensor, encoder.state_dict()[name]) for name, tensor in again.encoder.state_dict().items())
    assert all(
        torch.equal(tensor, head.state_dict()[name]) for name, tensor in again.heads["lang"].state_dict().items()
    )


def test_files_that_are_no_checkpoint(released, tmp_path):
    path, encoder, _ = released
    broken = tmp_path / "broken.pth"
    state = encoder.state_dict()
    state.pop("enc.enc1.block0.attn.qkv.weight")
    torch.save(state, broken)
    with pytest.raises(InputError, match="missing, first encoder.enc.enc1.block0.attn.qkv.weight"):
        import_checkpoint(broken)
    torch.save({"a": torch.zeros(1)}, broken)
    with pytest.raises(InputError, match="tensors of a scene encoder"):
        import_checkpoint(broken)
    broken.write_bytes(b"no")
    with pytest.raises(InputError, match="tensors only"):
        import_checkpoint(broken)
