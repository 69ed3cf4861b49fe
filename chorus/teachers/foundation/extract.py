"""Many images through a teacher: batches, the next one read while this one is computed, progress with the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Progress:
    """done of total images after ``seconds``; ``left``: seconds to go at the pace so far."""

    done: int
    total: int
    seconds: float

    @property
    def left(self) -> float:
        return self.seconds / self.done * (self.total - self.done) if self.done else float("nan")

    def __str__(self) -> str:
        return f"{self.done}/{self.total} images, {self.done / max(self.seconds, 1e-9):.2f} a second, {self.left:.0f} s left"


def extract(
    teacher,
    read: Callable[[int], Tensor],
    count: int,
    *,
    batch: int = 8,
    report: Callable[[Progress], None] | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Yield (index of the first image, features [b, rows, cols, dim]) in order.

    read(i): image i, [H, W, 3] in 0..1; called from one background thread, at most one batch ahead. All images have one size.
    """
    begin = time.perf_counter()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-images") as pool:
        ahead = pool.submit(_read_batch, read, 0, min(batch, count))
        for start in range(0, count, batch):
            images = ahead.result()
            if start + batch < count:
                ahead = pool.submit(_read_batch, read, start + batch, min(start + 2 * batch, count))
            features = teacher.features(images)
            if report is not None:
                report(Progress(done=min(start + batch, count), total=count, seconds=time.perf_counter() - begin))
            yield start, features


def _read_batch(read: Callable[[int], Tensor], start: int, stop: int) -> Tensor:
    return torch.stack([read(i) for i in range(start, stop)])
