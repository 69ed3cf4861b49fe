"""Many images past the teachers: batches, the next one made while the teachers look at this one, progress with the time
left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest

from torch import Tensor

from chorus.teachers.base import Role, Teacher, answers_by_mask
from chorus.teachers.masks import MaskTargets


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
        return (
            f"{self.done}/{self.total} images, {self.done / max(self.seconds, 1e-9):.2f} a second, "
            f"{self.left:.0f} s left"
        )


def extract(
    teachers: Mapping[Role, Teacher],
    read: Callable[[slice], Tensor],
    count: int,
    *,
    batch: int = 8,
    report: Callable[[Progress], None] | None = None,
) -> Iterator[dict[Role, Tensor | MaskTargets]]:
    """Yield every teacher's answer to each batch of the images, in order: patch features [b, rows, cols, dim], or masks
    with their vectors.

    read(views): these images, [b, H, W, 3] in 0..1; called from one background thread, one batch ahead. All teachers
    see a batch before the next one comes, so those that share a network run it once.
    """
    begin, batches = time.perf_counter(), [slice(start, min(start + batch, count)) for start in range(0, count, batch)]
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="read-images") as pool:
        ahead = [pool.submit(read, first) for first in batches[:1]]
        for views, following in zip_longest(batches, batches[1:]):
            images = ahead.pop().result()
            ahead += [pool.submit(read, following)] if following else []
            answers: dict[Role, Tensor | MaskTargets] = {
                role: teacher.pooled(images) if answers_by_mask(teacher) else teacher.features(images)
                for role, teacher in teachers.items()
            }
            if report is not None:
                report(Progress(done=views.stop, total=count, seconds=time.perf_counter() - begin))
            yield answers
