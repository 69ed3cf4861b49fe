"""Process CPU time, the minimum of repeats: what little noise leaves on a busy machine."""

import gc
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from torch import Tensor


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


def leaves(*tensors: Tensor) -> list[Tensor]:
    """Fresh leaves that want gradients."""
    return [x.detach().clone().requires_grad_() for x in tensors]


def size(*tensors: Tensor) -> int:
    """Bytes of the tensors."""
    return sum(x.numel() * x.element_size() for x in tensors)


@dataclass(frozen=True)
class Row:
    """One line of the table. `ratio` is how many times faster than the peer; `note` what else was measured."""

    op: str
    case: str
    against: str
    milliseconds: float
    peer_milliseconds: float
    at_least: float | None = None  # ratio
    at_most: float | None = None  # milliseconds
    note: str = ""
    flops: float | None = None  # operations done
    moved: float | None = None  # bytes that inputs, weights and results have: the least that goes through memory
    device: str = "cpu"

    @property
    def ratio(self) -> float:
        return self.peer_milliseconds / self.milliseconds

    @property
    def short(self) -> bool:
        return (self.at_least is not None and self.ratio < self.at_least) or (
            self.at_most is not None and self.milliseconds > self.at_most
        )

    def rates(self, peak: float) -> str:
        """GF/s with their share of the peak (operations a second), and GB/s."""
        parts = []
        if self.flops is not None:
            rate = 1e3 * self.flops / self.milliseconds
            parts.append(f"{rate / 1e9:.0f} GF/s, {100 * rate / peak:.0f} %")
        if self.moved is not None:
            parts.append(f"{self.moved / self.milliseconds / 1e6:.1f} GB/s")
        return "; ".join(parts)

    def record(self) -> dict:
        return {**asdict(self), "ratio": self.ratio, "falls_short": self.short}
