"""Language targets by mask: one vector for each mask and a map that says which mask a pixel belongs to. Compact, and lifted exactly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
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

    labels: [V, H, W] int32, row of ``vectors`` plus one, 0 where no mask lies (such pixels have no target); vectors: [R, C] half, L2-normalised.
    """

    labels: Tensor
    vectors: Tensor

    def save(self, path: Path) -> None:
        save_file({"labels": self.labels.int().contiguous(), "vectors": self.vectors.half().contiguous()}, path)

    @classmethod
    def load(cls, path: Path) -> MaskTargets:
        try:
            tensors = load_file(path)
            return cls(labels=tensors["labels"], vectors=tensors["vectors"])
        except (OSError, SafetensorError, KeyError) as error:
            raise InputError(path, expected="mask targets (labels, vectors)", got=error, fix="Make the teacher views again.") from error

    @classmethod
    def concatenate(cls, views: list[MaskTargets]) -> MaskTargets:
        """The views one after another, their rows numbered through."""
        labels, before = [], 0
        for view in views:
            labels.append(torch.where(view.labels > 0, view.labels + before, 0))
            before += len(view.vectors)
        return cls(labels=torch.cat(labels), vectors=torch.cat([view.vectors for view in views]))

    def dense(self, views=slice(None)) -> Tensor:
        """[v, H, W, C] float32, zeros where no mask lies. For looking and testing: lifting never needs it."""
        table = torch.cat([self.vectors.new_zeros(1, self.vectors.shape[1]), self.vectors]).float()
        return table[self.labels[views].long()]


def label_map(masks: PackedMasks) -> tuple[np.ndarray, np.ndarray]:
    """A pixel belongs to the smallest mask that covers it. Returns labels [H, W] int32 (0 none, k+1 for the k-th visible mask) and those masks' indices."""
    height = masks.words.shape[1]
    owner = np.zeros((height, masks.width), np.int32)
    for i in np.argsort(-masks.areas, kind="stable"):
        x1, y1, x2, y2 = masks.boxes[i]
        owner[y1:y2, x1:x2][masks.unpack(slice(i, i + 1))[0, y1:y2, x1:x2]] = i + 1
    visible = np.unique(owner[owner > 0])
    renumber = np.zeros(len(masks) + 1, np.int32)
    renumber[visible] = np.arange(1, len(visible) + 1)
    return renumber[owner], visible - 1


def pool_masks(teacher: ImageEmbedder, image: Tensor, masks: PackedMasks, *, size: tuple[int, int], batch: int = 32) -> Tensor:
    """[M, C] one L2-normalised vector for each mask of image [H, W, 3] (METHOD: full image, box crop and masked crop, mixed by agreement).

    Crops are squashed to ``size`` (h, w), the one the tower reads.
    """
    if len(masks) == 0:
        return torch.zeros(0, teacher.dim)
    boxed, masked = [], []
    for start in range(0, len(masks), batch):
        part = slice(start, start + batch)
        boxes = torch.from_numpy(masks.boxes[part])
        boxed.append(teacher.embed(crop_batch(image, boxes, size)))
        masked.append(teacher.embed(crop_batch(image, boxes, size, masks=torch.from_numpy(masks.unpack(part)))))
    return mix(teacher.embed(image[None])[0], torch.cat(boxed), torch.cat(masked))


def mix(full: Tensor, boxed: Tensor, masked: Tensor) -> Tensor:
    """[M, C] from unit vectors f_g [C], f_l [M, C] and f_m [M, C].

    d = cos(f_l, f_m); F_l = norm(d f_m + (1-d) f_l); w = softmax over the masks of cos(F_l, f_g); F = norm(w f_g + (1-w) d f_m + (1-w)(1-d) f_l).
    """
    agree = (boxed * masked).sum(dim=1, keepdim=True)
    local = F.normalize(agree * masked + (1 - agree) * boxed, dim=1)
    share = torch.softmax(local @ full, dim=0)[:, None]
    return F.normalize(share * full + (1 - share) * (agree * masked + (1 - agree) * boxed), dim=1)


def mask_weights(weights: Tensor, labels: Tensor, count: int) -> Tensor:
    """Rendering weights per pixel, summed to masks: sparse [N, H*W] (or [N, V*H*W]) and labels [...] of as many pixels -> sparse CSR [N, count].

    Column k collects label k+1; pixels labelled 0 are left out, of the sum and so of the normalisation.
    """
    weights = weights.to_sparse_coo().coalesce()
    gaussian, pixel = weights.indices()
    label = labels.reshape(-1).long()[pixel]
    covered = label > 0
    index = torch.stack([gaussian[covered], label[covered] - 1])
    return torch.sparse_coo_tensor(index, weights.values()[covered], (weights.shape[0], count)).coalesce().to_sparse_csr()


def lift_masks(weights: Tensor, vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Targets [N, C] float32 and their total weight [N] from :func:`mask_weights` [N, R] and the masks' vectors [R, C].

    Every pixel of a mask carries its vector, so summing weights first and multiplying once is lifting the full-resolution map (METHOD, eq. 3).
    """
    vectors = vectors.to(torch.float32)
    total = weights @ torch.ones(weights.shape[1], 1)
    return (weights @ vectors) / total.clamp_min(1e-12), total[:, 0]
