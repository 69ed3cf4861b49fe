"""The loop, over a task of a few numbers."""

import os
import signal
from collections import namedtuple
from dataclasses import replace

import pytest
import torch

from chorus.errors import InputError, Preempted
from chorus.train.adamw import AdamW
from chorus.train.checkpoint import CHECKPOINT
from chorus.train.live import FILE
from chorus.train.loop import Course, Task, train
from chorus.train.schedule import generator_of

COURSE = Course(
    steps=12, lr=0.05, warmup=0.1, clip=1.0, log_every=5, checkpoint_every=4
)  # a row and a checkpoint never fall together


class Fit(Task):
    """A linear map learnt from drawn points; every third sample has a second loss, of a parameter of its own."""

    name, fix = "fit", "Lower it."

    def __init__(self, seed=0, spoil=None):
        torch.manual_seed(seed)
        self.module = torch.nn.ModuleDict({"main": torch.nn.Linear(3, 2), "late": torch.nn.Linear(3, 1)})
        self.optimizer = AdamW([{"params": list(self.module.parameters()), "weight_decay": 0.01}], lr=1e-3)
        self.seed, self.spoil, self.seen, self.means = seed, spoil, [], torch.zeros(())

    def identity(self):
        return ["fit", self.seed]

    def losses(self, step, sample):
        self.seen.append(sample)
        x = torch.randn(5, 3, generator=generator_of(self.seed, sample))
        found = {"main": (self.module["main"](x) - x[:, :2]).square().mean()}
        if sample % 3 == 0:
            found["late"] = self.module["late"](x).abs().mean()
        if sample == self.spoil:
            found["main"] = found["main"] * float("nan")
        return found if sample != 7 else {}

    def stepped(self, done):
        self.means = self.means * 0.5 + self.module["main"].weight.detach().mean()

    def state(self):
        return {"means": self.means}

    def restore(self, state):
        self.means = state["means"]


def weights(task):
    return {name: tensor.clone() for name, tensor in task.module.state_dict().items()} | {"means": task.means}


class Killed(Exception):
    pass


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("row", [5, 10])
def test_a_run_killed_and_resumed_is_the_undisturbed_one(tmp_path, accumulate, row):
    course = replace(COURSE, accumulate=accumulate)

    def kill(found):
        if found["step"] == row:
            raise Killed

    straight, dead, resumed = Fit(), Fit(), Fit()
    rows, _ = train(straight, course, state=tmp_path / "a")
    with pytest.raises(Killed):
        train(dead, course, state=tmp_path / "b", watch=kill)
    assert train(resumed, course, state=tmp_path / "b")[0] == rows
    torch.testing.assert_close(weights(resumed), weights(straight), rtol=0, atol=0)
    assert resumed.seen == straight.seen[row // 4 * 4 * accumulate :]
    assert list((tmp_path / "b").iterdir()) == list((tmp_path / "a").iterdir()) == []


def test_too_little_disk_or_memory_is_said_before_the_first_step(tmp_path, monkeypatch):
    task = Fit()
    monkeypatch.setattr("shutil.disk_usage", lambda _: namedtuple("Usage", "free")(2 * 3 * 4 * 12 - 1))
    with pytest.raises(InputError, match="free disk for the checkpoints of fit"):
        train(task, COURSE, state=tmp_path)
    monkeypatch.undo()
    monkeypatch.setattr("chorus.room.available_memory", lambda: 3 * 4 * 12 - 1)
    with pytest.raises(InputError, match="memory: .*for the gradients and means of fit"):
        train(task, COURSE, state=tmp_path)
    assert not task.seen


def test_a_step_is_the_mean_over_its_samples(tmp_path):
    task, x = Fit(), [torch.randn(5, 3, generator=generator_of(0, sample)) for sample in (0, 1)]
    model = Fit().module
    loss = sum((model["main"](each) - each[:, :2]).square().mean() for each in x) / 2
    (loss + model["late"](x[0]).abs().mean() / 2).backward()
    train(task, replace(COURSE, steps=1, accumulate=2, clip=1e9), state=tmp_path)
    for ours, theirs in zip(task.module.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_parameter_no_sample_used_keeps_no_gradient(tmp_path):
    task = Fit()
    late = task.module["late"].weight.detach().clone()
    train(task, replace(COURSE, steps=3), state=tmp_path / "a")  # sample 0 alone reaches it
    moments = task.optimizer.state[task.module["late"].weight]
    assert int(moments["step"]) == 1 and not torch.equal(task.module["late"].weight, late)
    assert int(task.optimizer.state[task.module["main"].weight]["step"]) == 3


def test_a_loss_that_is_not_finite_is_named_and_the_model_is_as_before_it(tmp_path):
    before, spoilt = Fit(), Fit(spoil=6)
    train(before, replace(COURSE, lr=COURSE.lr), state=tmp_path / "a", watch=None)
    with pytest.raises(InputError, match=r"^fit, step 6, sample 6: expected a finite loss, got nan. Lower it.$"):
        train(spoilt, COURSE, state=tmp_path / "b")
    kept = torch.load(tmp_path / "b" / CHECKPOINT, weights_only=True)
    assert kept["step"] == 4
    again = Fit(spoil=6)
    with pytest.raises(InputError, match="step 6"):
        train(again, COURSE, state=tmp_path / "b")
    torch.testing.assert_close(spoilt.module.state_dict(), again.module.state_dict(), rtol=0, atol=0)
    assert all(torch.isfinite(tensor).all() for tensor in spoilt.module.state_dict().values())


def test_a_checkpoint_of_another_layout_is_refused_and_of_another_run_ignored(tmp_path, capsys):
    def kill(row):
        raise Killed

    with pytest.raises(Killed):
        train(Fit(), COURSE, state=tmp_path, watch=kill)
    with pytest.raises(InputError, match="expected a checkpoint of 1 rank x 2 samples, got one of 1 rank x 1 sample"):
        train(Fit(), replace(COURSE, accumulate=2), state=tmp_path)
    assert (tmp_path / CHECKPOINT).exists() and not capsys.readouterr().err
    other = Fit(seed=1)
    train(other, COURSE, state=tmp_path)
    assert other.seen[0] == 0 and "the training starts anew" in capsys.readouterr().err


def test_more_ranks_than_there_are_is_an_error(tmp_path):
    with pytest.raises(InputError, match="fit: expected 2 ranks, as its parameters say, got 1. Start"):
        train(Fit(), replace(COURSE, ranks=2), state=tmp_path)


def test_asked_to_stop_it_keeps_its_checkpoint_and_goes_on_from_there(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    straight, stopped, resumed = Fit(), Fit(), Fit()
    rows, _ = train(straight, COURSE, state=tmp_path / "a")
    with pytest.raises(Preempted, match="got a request to stop after step 6, which is kept") as caught:
        train(stopped, COURSE, state=tmp_path / "b", watch=lambda row: os.kill(os.getpid(), signal.SIGTERM))
    assert caught.value.exit_code == 75 and signal.getsignal(signal.SIGTERM) is before
    assert {path.name for path in (tmp_path / "b").iterdir()} == {CHECKPOINT, FILE}
    assert train(resumed, COURSE, state=tmp_path / "b")[0] == rows
    torch.testing.assert_close(weights(resumed), weights(straight), rtol=0, atol=0)
