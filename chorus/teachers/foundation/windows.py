"""Large images in overlapping windows: each window at the size the network likes, patch features averaged where windows
overlap."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from chorus.errors import ParamsError
from chorus.teachers.foundation.wrapped import Wrapped


class WindowedTeacher(Wrapped):
    """A teacher that sees an image through square windows of ``window`` pixels, overlapping by about ``overlap`` of
    their side.

    A window of the inner teacher gives g x g patches, so a patch spans window / g pixels; the image is scaled by less
    than one patch so that whole patches fill it, and windows start on patch corners. Images no larger than a window go
    straight through.
    """

    def __init__(self, inner, *, window: int, overlap: float = 0.25):
        if not 0 <= overlap < 1:
            raise ParamsError("teachers.foundation.overlap", expected="0 <= overlap < 1", got=overlap)
        super().__init__(inner)
        self.window, self.overlap = window, overlap
        self._grid = inner.patch_grid(window, window)

    @property
    def settings(self) -> dict:
        return {**self.inner.settings, "window": self.window, "overlap": self.overlap}

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        if max(height, width) <= self.window:
            return self.inner.patch_grid(height, width)
        return tuple(
            max(cells, round(side * cells / self.window))
            for side, cells in zip((height, width), self._grid, strict=True)
        )

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """images [B, H, W, 3] in 0..1 -> [B, rows, cols, dim]."""
        height, width = images.shape[1:3]
        if max(height, width) <= self.window:
            return self.inner.features(images)
        rows, cols = self.patch_grid(height, width)
        size = tuple(round(cells * self.window / g) for cells, g in zip((rows, cols), self._grid, strict=True))
        if size != (height, width):
            images = (
                F.interpolate(
                    images.permute(0, 3, 1, 2), size=size, mode="bicubic", antialias=True, align_corners=False
                )
                .clamp(0, 1)
                .permute(0, 2, 3, 1)
            )
        total = images.new_zeros(len(images), rows, cols, self.inner.dim)
        seen = images.new_zeros(rows, cols, 1)
        for top in _starts(rows, self._grid[0], self.overlap):
            for left in _starts(cols, self._grid[1], self.overlap):
                y, x = round(top * self.window / self._grid[0]), round(left * self.window / self._grid[1])
                y, x = min(y, size[0] - self.window), min(x, size[1] - self.window)
                place = (slice(top, top + self._grid[0]), slice(left, left + self._grid[1]))
                total[:, *place] += self.inner.features(images[:, y : y + self.window, x : x + self.window])
                seen[place] += 1
        return total / seen


def _starts(cells: int, window: int, overlap: float) -> list[int]:
    """First patch of each window along one side: the fewest evenly spaced windows that overlap at least so much."""
    if cells <= window:
        return [0]
    step = max(1, int(window * (1 - overlap)))
    count = -(-(cells - window) // step) + 1
    return [round(i * (cells - window) / (count - 1)) for i in range(count)]
