"""The mask-pooled language teacher: what the paper's recipe lifts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from chorus.store import atomic_file
from chorus.teachers.base import Role
from chorus.teachers.foundation.segment import SamMasks
from chorus.teachers.foundation.siglip import OpenClipTeacher
from chorus.teachers.masks import MaskTargets, label_map, pool_masks


class MaskPooledTeacher:
    """A language teacher that answers by mask (:meth:`pooled`). It also speaks the patch protocol, averaging the map
    over cells of ``cell`` pixels.

    cache: a folder to keep each image's masks and vectors in, by content; None keeps nothing.
    """

    role: Role = "lang"
    cell = 8  # pixels

    def __init__(self, lang: OpenClipTeacher, masks: SamMasks, *, batch: int = 32, cache: Path | None = None):
        self._lang, self._masks, self._batch, self._cache = lang, masks, batch, cache
        self.name, self.dim = f"{lang.name}-masks", lang.dim
        self.fingerprint = f"{lang.fingerprint} {masks.fingerprint}"

    @property
    def settings(self) -> dict:
        return {**self._lang.settings, "masks": asdict(self._masks.params), "cell": self.cell}

    def text(self, prompts: list[str]) -> Tensor:
        return self._lang.text(prompts)

    def pooled(self, images: Tensor) -> MaskTargets:
        """images [B, H, W, 3] in 0..1 -> label maps and vectors of all masks."""
        return MaskTargets.concatenate([self._one(image) for image in images])

    def patch_grid(self, height: int, width: int) -> tuple[int, int]:
        return max(1, height // self.cell), max(1, width // self.cell)

    def features(self, images: Tensor) -> Tensor:
        """[B, rows, cols, dim]: the mean over each cell's masked pixels, L2-normalised by mask; zeros where a cell has
        none."""
        rows, cols = self.patch_grid(*images.shape[1:3])
        return torch.stack([_cell_means(self._one(image), rows, cols) for image in images]).to(images.device)

    def _one(self, image: Tensor) -> MaskTargets:
        path = None if self._cache is None else self._cache / self._name(image)
        if path is not None and path.exists():
            return MaskTargets.load(path)
        masks = self._masks(image)
        labels, visible = label_map(masks)
        vectors = pool_masks(
            self._lang, image.to(self._lang.device), masks, size=self._lang.input_size(0, 0), batch=self._batch
        )
        targets = MaskTargets(labels=torch.from_numpy(labels)[None], vectors=vectors[torch.from_numpy(visible)].half())
        if path is not None:
            with atomic_file(path) as temporary:
                targets.save(temporary)
        return targets

    def _name(self, image: Tensor) -> str:
        key = hashlib.sha256(
            json.dumps([self.fingerprint, self.settings], sort_keys=True, default=str).encode()
        ).hexdigest()
        digest = hashlib.sha256(f"{key} {tuple(image.shape)}".encode() + image.cpu().contiguous().numpy().tobytes())
        return f"{key[:16]}/{digest.hexdigest()}.safetensors"


def _cell_means(targets: MaskTargets, rows: int, cols: int) -> Tensor:
    """[rows, cols, C] float32 from one view: pixels counted by cell and mask, then one product."""
    height, width = targets.labels.shape[1:]
    cell = (torch.arange(height) * rows // height)[:, None] * cols + (torch.arange(width) * cols // width)[None]
    label = targets.labels[0].long()
    counts = torch.zeros(rows * cols, len(targets.vectors) + 1)
    counts.index_put_((cell.reshape(-1), label.reshape(-1)), torch.ones(()), accumulate=True)
    total = counts[:, 1:].sum(dim=1, keepdim=True)
    return (counts[:, 1:] @ targets.vectors.float() / total.clamp_min(1)).reshape(rows, cols, -1)
