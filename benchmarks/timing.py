"""Process CPU time, the minimum of repeats: what little noise leaves on a busy machine."""

import gc
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from torch import Tensor

Result = TypeVar("Result")


def milliseconds(
    run: Callable[[], object], *, repeats: int = 5, clock: Callable[[], float] = time.process_time
) -> float:
    """Least time of a call, after one call to warm up unless only one is asked for."""
    if repeats > 1:
        run()
    gc.collect()
    best = float("inf")
    for _ in range(repeats):
        start = clock()
        run()
        best = min(best, clock() - start)
    return 1e3 * best


def in_turns(
    *runs: Callable[[], object], rounds: int, repeats: int = 3, clock: Callable[[], float] = time.process_time
) -> list[float]:
    """Least time of each, measured one after another, round by round: what else a host does comes and goes within
    seconds."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        best = [
            min(least, milliseconds(run, repeats=repeats, clock=clock)) for least, run in zip(best, runs, strict=True)
        ]
    return best


def in_own_process(run: Callable[..., Result], *arguments: object) -> Result:
    """What a call returns in a fresh process: its peak of memory and its allocator are its own. Raises
    BrokenProcessPool when the process is killed, for memory say."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(run, *arguments).result()


def leaves(*tensors: Tensor) -> list[Tensor]:
    """Fresh leaves that want gradients."""
    return [x.detach().clone().requires_grad_() for x in tensors]


def size(*tensors: Tensor) -> int:
    """Bytes of the tensors."""
    return sum(x.numel() * x.element_size() for x in tensors)
