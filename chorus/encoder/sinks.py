"""Where features go, block by block: a tensor in memory or a file; and the bar that shows how far they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from chorus.scene import GaussianScene

LONG = 100_000  # steps a bar is worth showing for


class Sink(Protocol):
    """Takes features [R, C] of the Gaussians ``rows`` [R]; every Gaussian comes once."""

    def write(self, rows: Tensor, features: Tensor) -> None: ...


@dataclass(frozen=True)
class InMemory:
    """A sink that is a tensor."""

    features: Tensor  # [N, C]

    @classmethod
    def of(cls, rows: int, channels: int, device: torch.device | str = "cpu") -> InMemory:
        """Room for N rows; on the CPU, pages are touched as they are written."""
        return cls(torch.empty(rows, channels, device=device))

    def write(self, rows: Tensor, features: Tensor) -> None:
        self.features[rows.to(self.features.device)] = features.to(self.features)


@dataclass(frozen=True)
class FileRows:
    """A sink whose rows are those of the scene's file. rows: [N] the file's row of each Gaussian."""

    sink: Sink
    rows: Tensor

    def write(self, rows: Tensor, features: Tensor) -> None:
        self.sink.write(self.rows[rows.cpu()], features)


def file_rows(scene: GaussianScene) -> tuple[Tensor, int]:
    """[N] the row each Gaussian has in the scene's file, and how many rows the file has."""
    report = scene.report
    if report.rows is None:
        return torch.arange(len(scene)), len(scene)
    return report.rows, report.total


class Members:
    """The Gaussians of each voxel. index: [N] voxel of each Gaussian; voxels: their number M."""

    def __init__(self, index: Tensor, voxels: int):
        self._order = index.argsort(stable=True)
        counts = torch.bincount(index, minlength=voxels)
        self._indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    def of(self, voxels: Tensor) -> tuple[Tensor, Tensor]:
        """Gaussians [G] of the voxels [R], and for each the place of its voxel among those [G]."""
        begins, counts = self._indptr[voxels], self._indptr[voxels + 1] - self._indptr[voxels]
        voxel = torch.repeat_interleave(counts)
        within = torch.arange(len(voxel), device=voxel.device) - (counts.cumsum(0) - counts)[voxel]
        return self._order[begins[voxel] + within], voxel


class Apart:
    """Voxels that stand for themselves, in place of their Gaussians."""

    def of(self, voxels: Tensor) -> tuple[Tensor, Tensor]:
        """The voxels [R], and the place of each among them."""
        return voxels, torch.arange(len(voxels), device=voxels.device)


class Bar:
    """A progress bar on stderr for work of ``total`` steps; none for short work. A context manager."""

    def __init__(self, total: int, *, show: bool):
        self._progress = None
        if show and total >= LONG:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

            columns = (TextColumn("encoding"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
            self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
            self._task = self._progress.add_task("encoding", total=total)

    def __enter__(self) -> Bar:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    @property
    def shown(self) -> bool:
        """Whether there is a bar."""
        return self._progress is not None

    def advance(self, steps: float) -> None:
        """So many steps further."""
        if self._progress is not None:
            self._progress.advance(self._task, steps)
