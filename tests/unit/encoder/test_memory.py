"""What a card needs is told before the work starts; the card's answer is made up."""

import pytest
import torch

from chorus.encoder import memory
from chorus.encoder.checkpoint import ModelConfig, SceneModel
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import preset
from chorus.errors import InputError

CARD = torch.device("cuda", 0)


@pytest.fixture
def free(monkeypatch):
    def gib(amount: float) -> None:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(amount * 2**30), 80 * 2**30))

    return gib


def model(name: str) -> SceneModel:
    return SceneModel(ModelConfig(encoder=preset(name), inputs=InputConfig()))


def test_the_cpu_is_asked_nothing():
    memory.require_card(1e15, torch.device("cpu"), where="encode", fix="")
    assert memory.rows_that_fit(preset("base"), torch.device("cpu"), least=1) is None


def test_tiles_are_as_large_as_the_card_holds(free):
    free(40)
    rows = memory.rows_that_fit(preset("base"), CARD, least=50_000)
    assert rows > 1_000_000  # a scene of the goal's size goes in whole
    free(4)
    assert memory.rows_that_fit(preset("base"), CARD, least=50_000) == pytest.approx(rows / 10, rel=0.01)


def test_a_card_too_small_to_encode_with_is_refused(free):
    free(0.05)
    with pytest.raises(InputError, match=r"encode: expected about .* GiB free on cuda:0, got .* GiB. Free the card"):
        memory.rows_that_fit(preset("base"), CARD, least=50_000)


def test_training_needs_more_the_more_there_is(free):
    small, large = model("tiny"), model("base")
    need = [memory.train_bytes(m, m.config.encoder, rows=10**5, drawn=10**5, channels=100) for m in (small, large)]
    more = memory.train_bytes(large, large.config.encoder, rows=2 * 10**5, drawn=10**5, channels=100)
    assert need[0] < need[1] < more
    free(1)
    with pytest.raises(InputError, match="distillation: expected about"):
        memory.require_card(need[1], CARD, where="distillation", fix="Take a smaller encoder.preset.")
