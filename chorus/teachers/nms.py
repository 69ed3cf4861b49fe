"""Greedy non-maximum suppression of thousands of masks (or boxes): one vectorised step for each mask that stays, none
for those that go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_WORD = 64


@dataclass(frozen=True, kw_only=True)
class PackedMasks:
    """M binary masks of one image size, 64 pixels of a row in a word, with their boxes and areas.

    words: [M, H, ceil(W/64)] uint64; boxes: [M, 4] x1 y1 x2 y2, half open, pixels (zeros for an empty mask); areas: [M]
    pixels.
    """

    words: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    width: int

    def __len__(self) -> int:
        return len(self.words)

    def select(self, index: np.ndarray) -> PackedMasks:
        return PackedMasks(words=self.words[index], boxes=self.boxes[index], areas=self.areas[index], width=self.width)

    def unpack(self, index: np.ndarray | slice = slice(None)) -> np.ndarray:
        """[m, H, W] bool."""
        rows = np.ascontiguousarray(self.words[index])
        return np.unpackbits(rows.view(np.uint8), axis=-1, count=self.width).astype(bool)


def pack(masks: np.ndarray) -> PackedMasks:
    """Masks [M, H, W] bool, an eighth of their size."""
    count, height, width = masks.shape
    packed = np.packbits(masks, axis=-1)
    words = np.zeros((count, height, -(-width // _WORD) * 8), np.uint8)
    words[:, :, : packed.shape[-1]] = packed
    words = words.view(np.uint64)
    rows, columns = (
        np.asarray(words.any(axis=2)),
        np.unpackbits(np.bitwise_or.reduce(words, axis=1).view(np.uint8), axis=-1, count=width).astype(bool),
    )
    boxes = np.concatenate([_extent(columns), _extent(rows)], axis=1)[:, [0, 2, 1, 3]]
    return PackedMasks(
        words=words, boxes=boxes, areas=np.bitwise_count(words).sum(axis=(1, 2), dtype=np.int64), width=width
    )


def concatenate(parts: list[PackedMasks]) -> PackedMasks:
    """Masks of one image, packed batch by batch."""
    return PackedMasks(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in ("words", "boxes", "areas")},
        width=parts[0].width,
    )


def mask_nms(masks: PackedMasks, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Indices kept, best first: a mask goes when its intersection over union with a better mask that stayed is above
    ``threshold``.

    scores [M]. Exact: only pairs whose boxes and areas allow such an overlap are looked at, and only inside the better
    mask's box.
    """

    def overlaps(best: int, rest: np.ndarray) -> np.ndarray:
        bound = np.minimum(
            _box_intersections(masks.boxes, best, rest), np.minimum(masks.areas[best], masks.areas[rest])
        )
        near = bound > threshold * (
            masks.areas[best] + masks.areas[rest] - bound
        )  # the union is at least this small: IoU grows with the intersection
        x1, y1, x2, y2 = masks.boxes[best]
        columns = slice(x1 // _WORD, -(-x2 // _WORD))
        shared = masks.words[rest[near], y1:y2, columns] & masks.words[best, y1:y2, columns]
        intersection = np.bitwise_count(shared).sum(axis=(1, 2), dtype=np.int64)
        near[near] = intersection > threshold * (masks.areas[best] + masks.areas[rest[near]] - intersection)
        return near

    return _greedy(scores, overlaps)


def box_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Indices kept, best first. boxes [M, 4] x1 y1 x2 y2; the same rule as :func:`mask_nms` on the boxes' own areas."""
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])

    def overlaps(best: int, rest: np.ndarray) -> np.ndarray:
        intersection = _box_intersections(boxes, best, rest)
        return intersection > threshold * (areas[best] + areas[rest] - intersection)

    return _greedy(scores, overlaps)


def _greedy(scores: np.ndarray, overlaps: Callable[[int, np.ndarray], np.ndarray]) -> np.ndarray:
    rest = np.argsort(-scores, kind="stable")
    kept = []
    while len(rest):
        kept.append(rest[0])
        rest = rest[1:]
        rest = rest[~overlaps(kept[-1], rest)]
    return np.array(kept, np.int64)


def _box_intersections(boxes: np.ndarray, best: int, rest: np.ndarray) -> np.ndarray:
    low = np.maximum(boxes[best, :2], boxes[rest, :2])
    high = np.minimum(boxes[best, 2:], boxes[rest, 2:])
    return np.clip(high - low, 0, None).prod(axis=1)


def _extent(hit: np.ndarray) -> np.ndarray:
    """[M, n] bool -> [M, 2] first hit and one past the last; zeros where there is none."""
    first, last = hit.argmax(axis=1), hit.shape[1] - hit[:, ::-1].argmax(axis=1)
    return np.stack([first, np.where(hit.any(axis=1), last, 0)], axis=1)
