"""Encoding, distillation and adaptation on the stand-in."""

from dataclasses import replace

import pytest
import torch

from chorus.adapt.train import adapt_encoder
from chorus.distill.train import train_encoder
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel
from chorus.encoder.encode import SceneEncoder
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import EncoderConfig
from tests.kernels.scenes import relative
from tests.placement import standin
from tests.unit.adapt.test_train import PARAMS as ADAPT
from tests.unit.adapt.test_train import scene as adapt_scene  # noqa: F401 - a fixture
from tests.unit.distill.test_train import scenes, setup  # noqa: F401 - a fixture

SIZE = EncoderConfig(channels=(16, 32, 64), depths=(1, 2, 1), heads=(1, 2, 4), window=64, drop_path=0.0)
OUTPUTS = ("lang", "upcast", "tokens")


def model(**inputs) -> SceneModel:
    torch.manual_seed(0)
    heads = {"lang": HeadConfig(channels=24, width=12), "dino": HeadConfig(channels=8, width=12)}
    inputs = InputConfig(grid_size=0.1, **inputs)
    size = replace(SIZE, in_channels=inputs.channels)
    return SceneModel(ModelConfig(encoder=size, inputs=inputs, heads=heads)).eval()


@pytest.mark.parametrize("tiles", [1, 4])
@pytest.mark.parametrize("inputs", [{}, {"upright": True}, {"variant": "points", "voxel": "first"}])
def test_encoding_stays_where_the_scene_is(device, make_room, tiles, inputs):
    room = make_room(900)
    rows = 10**6 if tiles == 1 else 250
    want = SceneEncoder(model(**inputs), max_rows=rows, halo=0.5).encode(room, OUTPUTS)
    encoder = SceneEncoder(model(**inputs).to(device), max_rows=rows, halo=0.5)
    got = encoder.encode(room.to(device), OUTPUTS)
    from_cpu = encoder.encode(room, OUTPUTS)
    for name in (*OUTPUTS, "tokens_xyz"):
        assert got[name].device == device and from_cpu[name].device.type == "cpu"
        limit = 0.05 if device.type == "cuda" else 1e-3  # products of bfloat16
        assert relative(got[name].cpu(), want[name]) < limit, name
        assert relative(from_cpu[name], got[name].cpu()) < limit, name


def test_what_the_host_reads_to_encode_does_not_grow_with_the_scene(device, make_room):
    encoder, reads = SceneEncoder(model().to(device)), []
    for count in (400, 1600):
        room = make_room(count).to(device)
        with standin.waits() as found:
            encoder.encode(room, ("lang", "upcast"))
        reads.append(found)
    assert standin.host_reads(reads[0]) == standin.host_reads(reads[1]), reads
    assert reads[1].get("copy to the CPU", 0) <= 2 + 2 * len(SIZE.depths), reads  # extents, and rows of each level
    assert standin.host_reads(reads[1]) < 60, reads[1]


def losses(result) -> list[float]:
    return [row["loss"] for row in result.curves]


def near(values: list[float], device: torch.device):
    """To the rounding of the device: on CUDA products are of bfloat16."""
    return pytest.approx(values, rel=0.1 if device.type == "cuda" else 0.02)


def test_distillation_learns_as_on_the_cpu(device, scenes, tmp_path):  # noqa: F811
    results = [train_encoder(scenes, **setup(), out=tmp_path / str(where), device=where) for where in ("cpu", device)]
    assert next(results[1].model.parameters()).device == device
    assert losses(results[1]) == near(losses(results[0]), device)
    names = sorted(path.name for path in (tmp_path / str(device)).iterdir())
    assert names == ["config.json", "curves.csv", "metrics.json", "model.safetensors"]


def test_a_distillation_goes_on_from_its_checkpoint_there(device, scenes, tmp_path):  # noqa: F811
    class Killed(Exception):
        pass

    def kill(row):
        if row["step"] == 8:
            raise Killed

    straight = train_encoder(scenes, **setup(), out=tmp_path / "straight", device=device)
    with pytest.raises(Killed):
        train_encoder(scenes, **setup(), out=tmp_path / "again", device=device, watch=kill)
    resumed = train_encoder(scenes, **setup(), out=tmp_path / "again", device=device)
    assert losses(resumed) == losses(straight)


def reads_a_row(train) -> list[int]:
    """Host reads between the rows of a curve."""
    told = []
    torch.ops.standin.forget()
    train(lambda row: told.append(standin.host_reads(torch.ops.standin.counts())))
    return [b - a for a, b in zip(told[:-1], told[1:], strict=True)]


@pytest.mark.parametrize("every", [2, 4])
def test_distillation_reads_the_device_once_a_row(device, scenes, tmp_path, every):  # noqa: F811
    def train(watch):
        settings = setup(log_every=every, checkpoint_every=100)
        train_encoder(scenes, **settings, out=tmp_path, device=device, watch=watch)

    few = reads_a_row(train)
    assert max(few) <= 3, few  # a row is the sums and whether all was finite, however many steps it is of


@pytest.mark.parametrize("tune", ["all", "lora"])
def test_adaptation_learns_as_on_the_cpu(device, adapt_scene, tmp_path, tune):  # noqa: F811
    params = replace(ADAPT, steps=10, log_every=5, checkpoint_every=100, tune=tune)
    results = [
        adapt_encoder(model(), [adapt_scene], params=params, out=tmp_path / str(where), device=where)
        for where in ("cpu", device)
    ]
    assert next(results[1].model.parameters()).device == device
    assert losses(results[1]) == near(losses(results[0]), device)


@pytest.mark.parametrize("every", [2, 4])
def test_adaptation_reads_the_device_once_a_row(device, adapt_scene, tmp_path, every):  # noqa: F811
    params = replace(ADAPT, steps=12, log_every=every, checkpoint_every=100)

    def train(watch):
        adapt_encoder(model(), [adapt_scene], params=params, out=tmp_path, device=device, watch=watch)

    few = reads_a_row(train)
    assert max(few) <= 3, few
