"""Process CPU time, the minimum of repeats: what little noise leaves on a busy machine."""

import gc
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass


def milliseconds(run: Callable[[], object], *, repeats: int = 5, clock: Callable[[], float] = time.process_time) -> float:
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

    @property
    def ratio(self) -> float:
        return self.peer_milliseconds / self.milliseconds

    @property
    def short(self) -> bool:
        return (self.at_least is not None and self.ratio < self.at_least) or (self.at_most is not None and self.milliseconds > self.at_most)

    def record(self) -> dict:
        return {**asdict(self), "ratio": self.ratio, "falls_short": self.short}
