"""The processes of one training: alone, or the world torchrun started, gloo between CPUs and NCCL between cards.

Gradients are averaged by one sum over all ranks after the last backward of a step. Which parameters have a gradient at
all differs from rank to rank (a head whose teacher a scene has not, a crop without a valid row): ranks agree on that
first, over the CPU, so no card waits for its host. A parameter that no rank has a gradient for keeps none, and the
optimiser passes it by, as it does in one process that accumulates the same samples.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import Parameter

from chorus.errors import InputError, LostProcess
from chorus.train.meeting import place_of
from chorus.train.world import World, started

BUCKET = 2**25  # numbers summed in one call: 128 MiB of float32
PATIENCE = timedelta(minutes=30)  # a rank that is silent for longer is lost


class Ranks(World):
    """A world whose processes exchange tensors."""

    def samples(self, step: int, accumulate: int) -> list[int]:
        """The samples of this rank in a step: every sample once, ranks side by side."""
        return [(step * accumulate + turn) * self.size + self.rank for turn in range(accumulate)]

    def gathered(self, value: Any) -> list:
        """The value of every rank, in order."""
        if self.size == 1:
            return [value]
        found: list = [None] * self.size
        with self._all_there():
            dist.all_gather_object(found, value)
        return found

    def agree(self, parameters: Sequence[Parameter], stop: int) -> int:
        """The largest ``stop`` of all ranks; and zeros where another rank has a gradient and this one has none."""
        if self.size == 1:
            return stop
        has = torch.tensor([stop, *(p.grad is not None for p in parameters)], dtype=torch.uint8)
        with self._all_there():
            dist.all_reduce(has, dist.ReduceOp.MAX)
        for parameter, anywhere in zip(parameters, has[1:].tolist(), strict=True):
            if anywhere and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        return int(has[0])

    def add_up(self, tensors: Iterable[Tensor]) -> None:
        """Replace each tensor by its sum over the ranks; the tensors are of one type and device."""
        if self.size == 1:
            return
        for bucket in _buckets(tensors):
            flat = torch.cat([tensor.reshape(-1) for tensor in bucket])
            with self._all_there():
                dist.all_reduce(flat)
            for tensor, summed in zip(bucket, flat.split([t.numel() for t in bucket]), strict=True):
                tensor.copy_(summed.view_as(tensor))

    @contextmanager
    def _all_there(self) -> Iterator[None]:
        """What torch raises when another rank is gone, as one line."""
        try:
            yield
        except RuntimeError as error:  # gloo and NCCL alike
            raise LostProcess(
                f"rank {self.rank} of {self.size}",
                expected="an answer from the other ranks",
                got=str(error).splitlines()[0],
                fix="Run the same command again: it goes on from its checkpoint.",
            ) from error


def joined(device: torch.device) -> Ranks:
    """The world torchrun started, once all of it is there."""
    ranks = Ranks(*astuple(started()))
    if ranks.size > 1 and not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        dist.init_process_group(backend, timeout=PATIENCE, **place_of(ranks.rank, ranks.size))
    return ranks


def device_of_rank(device: torch.device) -> torch.device:
    """Each rank of a machine takes the card of its own number, where the device is a card."""
    if device.type != "cuda" or started().size == 1:
        return device
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if local >= torch.cuda.device_count():
        raise InputError(
            "ranks",
            expected=f"at most {torch.cuda.device_count()} ranks on this machine, one a card",
            got=f"rank {local} of it",
            fix="Start fewer (--nproc), or set device: cpu.",
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def leave() -> None:
    """End the world this process joined, so that the others need not guess."""
    if dist.is_initialized():
        dist.destroy_process_group()


def _buckets(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    buckets: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        if buckets[-1] and size + tensor.numel() > BUCKET:
            buckets.append([])
            size = 0
        buckets[-1].append(tensor)
        size += tensor.numel()
    return [bucket for bucket in buckets if bucket]
