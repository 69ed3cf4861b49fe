"""Language targets by mask: one vector for each mask and a map that says which mask a pixel belongs to. Compact, and
lifted exactly."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from chorus.errors import InputError
from chorus.teachers.crops import crop_batch
from chorus.teachers.nms import PackedMasks


class ImageEmbedder(Protocol):
    """A language teacher that can also embed whole images."""

    dim: int

    def embed(self, images: Tensor) -> Tensor:
        """images [B, H, W, 3] in 0..1 -> [B, dim] L2-normalised."""
        ...


@dataclass(frozen=True, kw_only=True)
class MaskTargets:
    """V views, R masks in all.

    labels: [V, H, W] int32, row of ``vectors`` plus one, 0 where no mask lies (such pixels have no target); vectors:
    [R, C] half, L2-normalised.
    """

    labels: Tensor
    vectors: Tensor

    @property
    def counts(self) -> list[int]:
        """Masks of each view."""
        highest = [int(view.max()) for view in self.labels]
        return [max(0, high - max([0, *highest[:i]])) for i, high in enumerate(highest)]

    def save(self, path: Path, *, teacher: str = "") -> None:
        """Vectors as half-precision ``features`` [1, 1, R, C], so that they read like a patch map of R columns; labels
        counted anew in every view and deflated (a few hundredths of their size)."""
        counts, before = self.counts, 0
        local = torch.zeros_like(self.labels, dtype=torch.int32)
        for i, count in enumerate(counts):
            local[i] = torch.where(self.labels[i] > 0, self.labels[i] - before, 0)
            before += count
        if max(counts, default=0) >= 1 << 16:
            raise InputError(path, expected="fewer than 65536 masks a view", got=max(counts))
        stream = zlib.compress(local.numpy().astype("<u2").tobytes(), 6)
        tensors = {
            "features": self.vectors.half()[None, None].contiguous(),
            "labels": torch.frombuffer(bytearray(stream), dtype=torch.uint8),
            "counts": torch.tensor(counts, dtype=torch.int32),
        }
        save_file(tensors, path, metadata={"mask_labels": json.dumps([teacher, *self.labels.shape])})

    @classmethod
    def load(cls, path: Path) -> MaskTargets:
        """Raises InputError when the file is absent, damaged, or holds a patch map instead."""
        try:
            with safe_open(path, "pt") as file:
                _, *shape = json.loads((file.metadata() or {})["mask_labels"])
                vectors, stream, counts = (
                    file.get_tensor("features")[0, 0],
                    file.get_tensor("labels"),
                    file.get_tensor("counts"),
                )
            local = torch.from_numpy(
                np.frombuffer(zlib.decompress(stream.numpy().tobytes()), "<u2").reshape(shape).astype(np.int32)
            )
        except (OSError, SafetensorError, KeyError, ValueError, zlib.error) as error:
            raise InputError(path, expected="mask targets", got=error, fix="Make the teacher views again.") from error
        before = (counts.cumsum(0) - counts)[:, None, None]
        return cls(labels=torch.where(local > 0, local + before, 0).int(), vectors=vectors)

    @classmethod
    def concatenate(cls, views: list[MaskTargets]) -> MaskTargets:
        """The views one after another, their rows numbered through."""
        labels, before = [], 0
        for view in views:
            labels.append(torch.where(view.labels > 0, view.labels + before, 0).int())
            before += len(view.vectors)
        return cls(labels=torch.cat(labels), vectors=torch.cat([view.vectors for view in views]))

    @property
    def starts(self) -> Tensor:
        """[V + 1] int64: the first row of each view, and the number of rows."""
        return torch.tensor([0, *self.counts]).cumsum(0)

    @property
    def areas(self) -> Tensor:
        """[R] int64 pixels of each mask."""
        return torch.bincount(self.labels.reshape(-1), minlength=len(self.vectors) + 1)[1:]

    def within(self, part: Tensor) -> MaskTargets:
        """Without the pixels that take no part (``part`` [V, H, W] bool); a mask that has none left is dropped."""
        if part.shape != self.labels.shape:
            part = F.interpolate(part[:, None].float(), self.labels.shape[1:])[:, 0] > 0  # nearest
        labels = torch.where(part, self.labels, 0).long()
        left = torch.bincount(labels.flatten(), minlength=len(self.vectors) + 1)[1:] > 0
        number = torch.cat([left.new_zeros(1), left]).cumsum(0)
        return MaskTargets(labels=number[labels].int(), vectors=self.vectors[left])

    def select(self, views: slice) -> MaskTargets:
        """Consecutive views with their own rows."""
        first, stop, _ = views.indices(len(self.labels))
        begin, end = self.starts[[first, max(first, stop)]].tolist()
        labels = self.labels[views]
        return MaskTargets(labels=torch.where(labels > 0, labels - begin, 0).int(), vectors=self.vectors[begin:end])

    def dense(self, views=slice(None)) -> Tensor:
        """[v, H, W, C] float32, zeros where no mask lies. For looking and testing: lifting never needs it."""
        table = torch.cat([self.vectors.new_zeros(1, self.vectors.shape[1]), self.vectors]).float()
        return table[self.labels[views].long()]


def has_masks(path: Path) -> bool:
    """True for a file of :meth:`MaskTargets.save`, False for a patch map."""
    try:
        with safe_open(path, "pt") as file:
            return "mask_labels" in (file.metadata() or {})
    except (OSError, SafetensorError) as error:
        raise InputError(path, expected="teacher features", got=error, fix="Make the teacher views again.") from error


def label_map(masks: PackedMasks) -> tuple[np.ndarray, np.ndarray]:
    """A pixel belongs to the smallest mask that covers it. Returns labels [H, W] int32 (0 none, k+1 for the k-th
    visible mask) and those masks' indices."""
    height = masks.words.shape[1]
    owner = np.zeros((height, masks.width), np.int32)
    for i in np.argsort(-masks.areas, kind="stable"):
        x1, y1, x2, y2 = masks.boxes[i]
        owner[y1:y2, x1:x2][masks.unpack(slice(i, i + 1))[0, y1:y2, x1:x2]] = i + 1
    visible = np.unique(owner[owner > 0])
    renumber = np.zeros(len(masks) + 1, np.int32)
    renumber[visible] = np.arange(1, len(visible) + 1)
    return renumber[owner], visible - 1


def pool_masks(
    teacher: ImageEmbedder, image: Tensor, masks: PackedMasks, *, size: tuple[int, int], batch: int = 32
) -> Tensor:
    """[M, C] one L2-normalised vector for each mask of image [H, W, 3] (after Chorus, arXiv 2512.17817: image, box crop
    and masked crop, mixed by agreement).

    Crops are squashed to ``size`` (h, w), the one the tower reads, and made on the image's device; the vectors come
    back on the CPU.
    """
    if len(masks) == 0:
        return torch.zeros(0, teacher.dim)
    boxed, masked = [], []
    for start in range(0, len(masks), batch):
        part = slice(start, start + batch)
        boxes, shapes = (torch.from_numpy(x).to(image.device) for x in (masks.boxes[part], masks.unpack(part)))
        boxed.append(teacher.embed(crop_batch(image, boxes, size)))
        masked.append(teacher.embed(crop_batch(image, boxes, size, masks=shapes)))
    return mix(teacher.embed(image[None])[0], torch.cat(boxed), torch.cat(masked)).cpu()


def mix(full: Tensor, boxed: Tensor, masked: Tensor) -> Tensor:
    """[M, C] from unit vectors f_g [C], f_l [M, C] and f_m [M, C].

    d = cos(f_l, f_m); F_l = norm(d f_m + (1-d) f_l); w = softmax over the masks of cos(F_l, f_g); F = norm(w f_g +
    (1-w) d f_m + (1-w)(1-d) f_l).
    """
    agree = (boxed * masked).sum(dim=1, keepdim=True)
    local = F.normalize(agree * masked + (1 - agree) * boxed, dim=1)
    share = torch.softmax(local @ full, dim=0)[:, None]
    return F.normalize(share * full + (1 - share) * (agree * masked + (1 - agree) * boxed), dim=1)
