"""The one training loop: distillation, adaptation and the embedded teachers differ in their task alone.

A step is a mean over samples: those of all ranks, each accumulating some. All that is random in a sample comes from its
number (or from state that the task hands to the checkpoint), so a run killed and resumed writes the bytes an
undisturbed one writes. Tensors live where the task's module lives; the host waits for them once in ``log_every`` steps.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter

from chorus.device import autocast
from chorus.errors import InputError
from chorus.room import require_disk, require_memory
from chorus.train.adamw import AdamW
from chorus.train.checkpoint import CHECKPOINT, fingerprint, read_checkpoint, write_checkpoint
from chorus.train.live import Figures
from chorus.train.losses import LossCurve
from chorus.train.ranks import Ranks, joined
from chorus.train.schedule import schedule, set_rate
from chorus.train.step import GuardedSteps
from chorus.train.stop import StopRequests, preempted

Watch = Callable[[dict], None]  # told each row of the loss curve as it is made
KEPT = 3  # numbers a parameter in a checkpoint: itself and Adam's two means


@dataclass(frozen=True, kw_only=True)
class Course:
    """How long, how fast and how often."""

    steps: int
    lr: float
    warmup: float  # share of the steps
    clip: float  # norm of the gradient
    log_every: int
    checkpoint_every: int
    accumulate: int = 1  # samples a step of each rank
    ranks: int = 1  # processes that must be there

    @classmethod
    def of(cls, params: object, **own: float) -> Course:
        """The course that a stage's parameters name, field by field; own: what they do not, or call otherwise."""
        named = {field.name: getattr(params, field.name) for field in fields(cls) if hasattr(params, field.name)}
        return cls(**{**named, **own})


class Task(ABC):
    """What one training does that the others do not. name, fix: of an error's line, and what to do about a loss that is
    not finite; module: all that learns or is learnt, on the device; optimizer: over its parameters."""

    name: str
    fix: str
    module: nn.Module
    optimizer: AdamW

    @abstractmethod
    def losses(self, step: int, sample: int) -> dict[str, Tensor]:
        """Losses [] by name of one sample in a step; their sum is learnt from. Empty where the sample teaches
        nothing."""

    @abstractmethod
    def identity(self) -> Any:
        """Plain JSON: what the run is made from, how many share the work aside."""

    def sample_name(self, sample: int) -> str:
        """For an error's line."""
        return f"sample {sample}"

    def clipped(self) -> Sequence[Sequence[Parameter]]:
        """Parameters whose gradients' norm is cut together."""
        return [self.optimizer.parameters()]

    def stepped(self, done: int) -> None:  # noqa: B027 - most tasks have nothing to do here
        """After the optimiser's step, when ``done`` are done."""

    def state(self) -> dict:
        """What a checkpoint must hold besides module and optimizer: tensors and plain containers."""
        return {}

    def restore(self, state: dict) -> None:  # noqa: B027
        """Take what :meth:`state` gave."""


def train(
    task: Task, course: Course, *, state: Path, resume: bool = True, watch: Watch | None = None
) -> tuple[list[dict], Ranks]:
    """Take all steps of the task; returns the rows of the loss curve, and which rank this was.

    state: folder of the running checkpoint and the live figures, both gone at the end; a checkpoint of another run is
    ignored with a line. Raises InputError for a loss that is not finite (the module is as it was before that step), for
    a damaged checkpoint or one of another number of ranks; Preempted when it was asked to stop and kept its checkpoint.
    """
    run = _Run(task, course, Path(state))
    with StopRequests() as stop:
        return run.all_steps(resume, watch, stop), run.ranks


class _Run:
    """A training under way."""

    def __init__(self, task: Task, course: Course, folder: Path):
        self.task, self.course, self.step = task, course, 0
        self.device = next(task.module.parameters()).device
        self.ranks = joined(self.device)
        if self.ranks.size != course.ranks:
            alone = course.ranks == 1
            raise InputError(
                task.name,
                expected=f"{course.ranks} rank{'' if alone else 's'}, as its parameters say",
                got=self.ranks.size,
                fix="Start it without torchrun." if alone else f"Start it with --nproc {course.ranks}.",
            )
        self.curve = LossCurve(course.log_every, course.steps)
        self.steps = GuardedSteps(task.optimizer, self.device)
        self.parameters = task.optimizer.parameters()
        self.layout = (self.ranks.size, course.accumulate)
        self.made_from = fingerprint(task.identity())
        self.checkpoint = folder / CHECKPOINT
        if self.ranks.writes:
            self.require_room()

    def require_room(self) -> None:
        """Raise InputError where there is no disk for a checkpoint beside the one it replaces, or, on the host, no
        memory for what the steps add to the parameters."""
        size = sum(p.numel() * p.element_size() for p in self.parameters)
        require_disk(self.checkpoint.parent, 2 * KEPT * size, what=f"the checkpoints of {self.task.name}")
        if self.device.type == "cpu":
            fix = "Take a smaller encoder.preset, or use a larger machine."
            require_memory(KEPT * size, what=f"the gradients and means of {self.task.name}", fix=fix)

    def all_steps(self, resume: bool, watch: Watch | None, stop: StopRequests) -> list[dict]:
        """The rows of the curve, after all steps; resume: from the checkpoint where there is one. Raises InputError as
        check does, and what ``preempted`` makes where a signal came."""
        if resume:
            self.restore()
        figures, over = self.figures(), False
        try:
            while self.step < self.course.steps:
                stopping = self.advance(asked=stop.asked or 0)
                if self.curve.due(self.step):
                    row = self.log()
                    if figures is not None:
                        figures.write(row)
                    if watch is not None and self.ranks.writes:
                        watch(row)
                last = self.step == self.course.steps
                if not last and (stopping or self.step % self.course.checkpoint_every == 0):
                    self.keep()
                if stopping and not last:
                    raise preempted(self.checkpoint, done=self.step, steps=self.course.steps, signal_number=stopping)
            over = True
        finally:
            if figures is not None:
                figures.close(over=over)
        if self.ranks.writes:
            self.checkpoint.unlink(missing_ok=True)
        return self.curve.rows

    def figures(self) -> Figures | None:
        if not self.ranks.writes:
            return None
        head = {"run": self.made_from[:16], "first": self.step, "steps": self.course.steps}
        return Figures(self.checkpoint.parent, **head, rows=self.curve.rows)

    def advance(self, *, asked: int) -> int:
        """One step; the signal after which the run is to stop, 0 for none. asked: the one this rank received."""
        set_rate(self.task.optimizer, self.course.lr * schedule(self.step, self.course.steps, self.course.warmup))
        self.task.optimizer.zero_grad()
        total = torch.zeros((), device=self.device)
        share = 1.0 / (self.ranks.size * self.course.accumulate)
        for sample in self.ranks.samples(self.step, self.course.accumulate):
            with autocast(self.device):
                losses = self.task.losses(self.step, sample)
            if losses:
                summed = torch.stack(list(losses.values())).sum()
                (summed * share).backward()
                total += summed.detach()
                self.curve.add({"loss": summed, **losses})
        stopping = self.ranks.agree(self.parameters, asked)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        self.ranks.add_up([*gradients, total])
        self.steps.take(self.step, total, clipped=self.task.clipped(), clip=self.course.clip)
        self.step += 1
        self.task.stepped(self.step)
        return stopping

    def log(self) -> dict:
        """The row of the steps since the last one; here the host waits for the device."""
        self.check()
        return self.curve.close_row(self.step, self.task.optimizer.param_groups[0]["lr"], self.ranks)

    def check(self) -> None:
        """Raise InputError where a step had a loss or a gradient that is not finite: the step, samples, loss."""
        bad = self.steps.bad_step()
        if bad is None:
            return
        step, loss = bad
        count = self.ranks.size * self.course.accumulate
        names = [self.task.sample_name(sample) for sample in range(step * count, (step + 1) * count)]
        finite = loss - loss == 0.0
        raise InputError(
            f"{self.task.name}, step {step}, {', '.join(dict.fromkeys(names))}",
            expected="a finite gradient" if finite else "a finite loss",
            got="NaN or infinity" if finite else loss,
            fix=self.task.fix,
        )

    def keep(self) -> None:
        """Write the checkpoint, from the first rank; all ranks take part. Raises InputError as check does."""
        self.check()
        sums = self.ranks.gathered(self.curve.sums())
        if self.ranks.writes:
            state = {
                "module": self.task.module.state_dict(),
                "optimizer": self.task.optimizer.state_dict(),
                "task": self.task.state(),
                "step": self.step,
                "curve": {"rows": self.curve.rows, "sums": [{k: list(v) for k, v in each.items()} for each in sums]},
            }
            write_checkpoint(self.checkpoint, state, made_from=self.made_from, layout=self.layout)

    def restore(self) -> None:
        """Go on from the checkpoint; without one that fits, from the beginning."""
        kept = read_checkpoint(self.checkpoint, made_from=self.made_from, layout=self.layout, says=self.ranks.writes)
        if kept is None:
            return
        self.task.module.load_state_dict(kept["module"])
        self.task.optimizer.load_state_dict(kept["optimizer"])
        self.task.restore(kept["task"])
        self.step = kept["step"]
        self.curve.restore(kept["curve"]["rows"], kept["curve"]["sums"][self.ranks.rank], self.device)
