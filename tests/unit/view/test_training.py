"""A training followed while it runs: its figures, its newest model, its end."""

from dataclasses import replace

import pytest
import torch

from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel
from chorus.encoder.encode import SceneEncoder
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import EncoderConfig
from chorus.errors import InputError, MissingError
from chorus.train.checkpoint import CHECKPOINT, write_checkpoint
from chorus.train.live import Figures
from chorus.view.training import RunningTraining

CONFIG = ModelConfig(
    encoder=EncoderConfig(in_channels=11, channels=(8, 16), depths=(1, 1), heads=(1, 2), window=16),
    inputs=InputConfig(variant="splats", grid_size=0.1),
    heads={"lang": HeadConfig(channels=6, width=8)},
)


def kept(folder, step: int) -> SceneModel:
    torch.manual_seed(step)
    model = SceneModel(CONFIG)
    state = {"module": model.state_dict(), "step": step, "task": {"config": CONFIG.to_json()}}
    write_checkpoint(folder / CHECKPOINT, state, made_from="x", layout=(1, 1))
    return model.eval()


def test_none_runs(tmp_path):
    with pytest.raises(MissingError, match="Start it: chorus distill"):
        RunningTraining(tmp_path, "splats")


def test_figures_and_models_as_they_come(tmp_path, make_room):
    figures = Figures(tmp_path, run="a", first=0, steps=900, rows=[])
    running = RunningTraining(tmp_path, "splats")
    assert not running.more() and running.newest() is None and "no figures" in running.said()
    figures.write({"step": 20, "loss": 1.5, "lang": 0.5})
    assert running.more() and running.said() == "splats: step 20 of 900, loss 1.500"
    room = make_room(200)
    for step in (100, 200):
        model = kept(tmp_path, step)
        encoder, found = running.newest()
        assert found == step and running.newest() is None
        wanted = SceneEncoder(model).encode(room, outputs=("lang",)).lang
        assert torch.equal(encoder.encode(room, outputs=("lang",)).lang, wanted)
    figures.write({"step": 40, "loss": 1.25})
    assert running.more() and [row["step"] for row in running.rows] == [20, 40] and not running.over
    figures.close(over=True)
    assert running.over and running.said().endswith("over")


def test_a_resumed_run_begins_its_figures_anew(tmp_path):
    Figures(tmp_path, run="a", first=0, steps=9, rows=[]).write({"step": 1, "loss": 1.0})
    running = RunningTraining(tmp_path, "splats")
    running.more()
    Figures(tmp_path, run="a", first=2, steps=9, rows=[{"step": 1, "loss": 1.0}, {"step": 2, "loss": 0.9}])
    assert running.more() and [row["step"] for row in running.rows] == [1, 2]


def test_a_damaged_checkpoint_is_a_line(tmp_path):
    (tmp_path / CHECKPOINT).write_bytes(b"nothing")
    with pytest.raises(InputError, match="a training checkpoint"):
        RunningTraining(tmp_path, "splats").newest()


def test_a_checkpoint_of_something_else_shows_nothing(tmp_path):
    write_checkpoint(tmp_path / CHECKPOINT, {"module": {}, "step": 1, "task": {}}, made_from="x", layout=(1, 1))
    assert RunningTraining(tmp_path, "splats").newest() is None and replace(CONFIG, notes={}) == CONFIG
