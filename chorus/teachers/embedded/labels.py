"""Labelled views as the decoders' training reads them: one vocabulary over all rooms, labels counted per patch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.teachers.embedded.trunk import PATCH

IGNORED = 0  # class id of pixels without supervision: unlabelled, or of a withheld name


@dataclass(frozen=True, kw_only=True)
class TrainingViews:
    """V views of R rooms. names[0] is "unlabelled"; withheld names have no id and their pixels are IGNORED."""

    images: Tensor  # [V, H, W, 3] uint8
    labels: Tensor  # [V, H, W, 2] int32: class id; instance id, unique in its room, 0 where IGNORED
    room: Tensor  # [V]
    names: tuple[str, ...]
    counts: Tensor  # [V, len(names)] pixels

    def __len__(self) -> int:
        return len(self.images)


def training_views(captures: list[Capture], *, withheld: tuple[str, ...]) -> TrainingViews:
    """Raises InputError for a room without labels or of another image size than the first."""
    if not captures:
        raise InputError(
            "teacher training",
            expected="at least one labelled room",
            got="none",
            fix="Ingest the training homes first.",
        )
    names = ("unlabelled", *sorted({name for capture in captures for name in capture.class_names[1:]} - set(withheld)))
    images, labels = [], []
    for number, capture in enumerate(captures):
        if capture.semantic is None or capture.instance is None:
            raise InputError(f"teacher training, room {number}", expected="semantic and instance labels", got="none")
        if capture.images.shape[1:] != captures[0].images.shape[1:]:
            raise InputError(
                f"teacher training, room {number}",
                expected=f"views of {captures[0].images.shape[1:3]}",
                got=capture.images.shape[1:3],
            )
        images.append(torch.from_numpy(capture.images))
        labels.append(_labels(capture.semantic, capture.instance, capture.class_names, names))
    labels = torch.cat(labels)
    counts = torch.stack([torch.bincount(view[..., 0].flatten(), minlength=len(names)) for view in labels])
    room = torch.arange(len(captures)).repeat_interleave(torch.tensor([len(capture) for capture in captures]))
    return TrainingViews(images=torch.cat(images), labels=labels, room=room, names=names, counts=counts)


def _labels(semantic: np.ndarray, items: np.ndarray, own: tuple[str, ...], names: tuple[str, ...]) -> Tensor:
    """[V, H, W, 2] int32 of layers [V, H, W], classes named by ``own``. What is labelled but is no item (walls, floors,
    ceilings) counts as one instance a class."""
    to_id = np.array([names.index(name) if name in names[1:] else IGNORED for name in own], np.int32)
    classes, items = to_id[semantic], items.astype(np.int32)
    instances = np.where(items > 0, items, int(items.max()) + classes) * (classes != IGNORED)
    return torch.from_numpy(np.stack([classes, instances], axis=-1))


def on_grid(labels: Tensor, rows: int, cols: int) -> Tensor:
    """[V, H, W, ...] -> [V, rows * 8, cols * 8, ...]: labels by nearest pixel, so that a teacher's patches are cells of
    8 pixels whatever its grid."""
    height, width = labels.shape[1:3]
    y, x = (
        ((torch.arange(cells * PATCH) + 0.5) * size / (cells * PATCH)).long()
        for cells, size in ((rows, height), (cols, width))
    )
    return labels[:, y[:, None], x]


def patches(x: Tensor) -> Tensor:
    """[B, H, W] -> [B, H / 8, W / 8, 64]: the pixels under each cell of the feature map."""
    batch, height, width = x.shape
    x = x.reshape(batch, height // PATCH, PATCH, width // PATCH, PATCH)
    return x.transpose(2, 3).flatten(3)


def class_shares(classes: Tensor, count: int) -> Tensor:
    """classes [B, H, W] -> [B, h, w, count]: the share of each patch's pixels in each class, IGNORED pixels in none."""
    cells = patches(classes).long()
    shares = torch.zeros(*cells.shape[:3], count).scatter_add_(3, cells, torch.ones(cells.shape))
    shares[..., IGNORED] = 0
    return shares / cells.shape[-1]


def main_instance(instances: Tensor) -> tuple[Tensor, Tensor]:
    """instances [B, H, W] -> the commonest id of each patch [B, h, w] and its share of the pixels [B, h, w]."""
    cells = patches(instances)
    main = cells.mode(dim=-1).values
    return main, (cells == main[..., None]).float().mean(dim=-1)
