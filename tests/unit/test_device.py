import pytest
import torch

from chorus.device import autocast, device_of
from chorus.errors import ParamsError
from chorus.recipes.seconds import record_seconds, seconds_by_stage
from chorus.store import Store


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch):
    monkeypatch.delenv("CHORUS_DEVICE", raising=False)


PLACES = [("auto", "cuda:0"), ("cuda", "cuda:0"), ("cuda:1", "cuda:1"), ("cpu", "cpu")]


def cards(monkeypatch, count: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)


@pytest.mark.parametrize(("name", "found"), PLACES)
def test_with_cards(name, found, monkeypatch):
    cards(monkeypatch, 2)
    assert str(device_of(name)) == found


def test_auto_without_a_card_is_the_cpu(monkeypatch):
    cards(monkeypatch, 0)
    assert str(device_of()) == "cpu"


def test_the_environment_stands_before_the_parameter(monkeypatch):
    cards(monkeypatch, 2)
    monkeypatch.setenv("CHORUS_DEVICE", "cpu")
    assert str(device_of("cuda")) == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "CUDA", "", "mps"])
def test_a_name_that_is_no_device_is_refused(name):
    with pytest.raises(ParamsError, match="params.yaml: device: expected auto, cpu, cuda or cuda:N"):
        device_of(name)


def test_a_card_that_is_not_there_is_refused(monkeypatch):
    cards(monkeypatch, 0)
    with pytest.raises(ParamsError, match="Set device: auto"):
        device_of("cuda")
    cards(monkeypatch, 2)
    monkeypatch.setenv("CHORUS_DEVICE", "cuda:2")
    with pytest.raises(ParamsError, match="CHORUS_DEVICE: expected one of the 2 CUDA devices here"):
        device_of("auto")


@pytest.mark.filterwarnings("ignore:CUDA is not available")
def test_products_are_of_bfloat16_on_a_card_alone():
    cuda = autocast(torch.device("cuda:0"))
    assert isinstance(cuda, torch.autocast) and (cuda.device, cuda.fast_dtype) == ("cuda", torch.bfloat16)
    for other in (autocast(torch.device("cpu")), autocast(torch.device("cuda"), half=False)):
        assert not isinstance(other, torch.autocast)


def test_the_device_stands_beside_the_seconds_of_an_artifact(tmp_path):
    store = Store(tmp_path)
    record_seconds(store, "scenes/gaussians", "a", 1.5, device="cuda:0 (NVIDIA H100)")
    record_seconds(store, "scenes/gaussians", "b", 2.0)
    assert seconds_by_stage(store, ["a", "b"]) == {"gaussians": 3.5}
    kept = store.state / "seconds" / "scenes" / "gaussians"
    assert (kept / "a.txt").read_text() == "1.5000 cuda:0 (NVIDIA H100)\n"
    assert (kept / "b.txt").read_text() == "2.0000 cpu\n"
