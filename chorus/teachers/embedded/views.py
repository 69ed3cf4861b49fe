"""Labelled views as the decoders' training reads them: one list of things over all rooms, pixels mapped from disk."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.teachers.embedded.labels import IGNORED
from chorus.teachers.embedded.sentences import sentences

IMAGES, INSTANCES = "images.u8", "instances.i16"


@dataclass(frozen=True, kw_only=True)
class Items:
    """The n items of a room; id 0 stands for pixels without supervision."""

    things: Tensor  # [n + 1] ids of things
    models: tuple[str, ...]  # n + 1 catalogue models, "" where unknown


@dataclass(frozen=True, kw_only=True)
class TrainingViews:
    """V views of R rooms, the pixels of all of them in two mapped files, so that memory holds those in use.

    names[0] is "unlabelled"; withheld names have no id and their pixels are IGNORED. What is labelled but is no item
    (walls, floors, ceilings) counts as one item a class.
    """

    images: Tensor  # [V, H, W, 3] uint8
    instances: Tensor  # [V, H, W] int16, ids of the room's items
    room: Tensor  # [V]
    items: tuple[Items, ...]  # by room
    names: tuple[str, ...]  # of things
    counts: Tensor  # [V, len(names)] pixels
    checksum: int

    def __len__(self) -> int:
        return len(self.images)


def training_views(captures: Iterable[Capture], *, withheld: tuple[str, ...], folder: Path) -> TrainingViews:
    """Write the views of these rooms into ``folder``, one room after the other, and map them.

    A thing is a class of the captures, or of what they leave unlabelled that which ``sentences.yaml`` knows the model
    of. Raises InputError for a room without labels or of another image size than the first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, int] = {"unlabelled": IGNORED}
    rooms, items, counts, checksum, shape = [], [], [], 0, None
    with (folder / IMAGES).open("wb") as images, (folder / INSTANCES).open("wb") as instances:
        for number, capture in enumerate(captures):
            shape = shape or capture.images.shape[1:]
            semantic, instance = _labels(capture, number, shape)
            numbered, found = _items(capture, semantic, instance, names=names, withheld=withheld)
            for file, array in ((images, capture.images), (instances, numbered)):
                checksum = zlib.crc32(data := np.ascontiguousarray(array).tobytes(), checksum)
                file.write(data)
            rooms += [number] * len(capture)
            items.append(found)
            counts += [np.bincount(found.things.numpy()[view].ravel(), minlength=1) for view in numbered]
    if shape is None:
        fix = "Ingest the training homes first."
        raise InputError("teacher training", expected="at least one labelled room", got="none", fix=fix)
    return TrainingViews(
        images=_mapped(folder / IMAGES, np.uint8, (len(rooms), *shape)),
        instances=_mapped(folder / INSTANCES, np.int16, (len(rooms), *shape[:2])),
        room=torch.tensor(rooms),
        items=tuple(items),
        names=tuple(names),
        counts=torch.from_numpy(np.stack([np.pad(row, (0, len(names) - len(row))) for row in counts])),
        checksum=checksum,
    )


def _labels(capture: Capture, number: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """[V, H, W] class and [V, H, W] instance of every pixel."""
    where = f"teacher training, room {number}"
    if capture.semantic is None or capture.instance is None:
        raise InputError(where, expected="semantic and instance labels", got="none")
    if capture.images.shape[1:] != shape:
        raise InputError(where, expected=f"views of {shape[:2]}", got=capture.images.shape[1:3])
    return capture.semantic, capture.instance


def _items(
    capture: Capture, semantic: np.ndarray, instance: np.ndarray, *, names: dict[str, int], withheld: tuple[str, ...]
) -> tuple[np.ndarray, Items]:
    """[V, H, W] int16 ids of the room's items, counted from 1, and what they are. names: thing -> id, added to."""
    pairs = instance.astype(np.int64) * len(capture.class_names) + semantic
    shown = capture.info.get("shown", {})
    ids = np.zeros(int(pairs.max()) + 1, np.int16)
    things, models = [IGNORED], [""]
    for pair in np.flatnonzero(np.bincount(pairs.ravel())):
        item, label = divmod(int(pair), len(capture.class_names))
        model = shown.get(str(item), "") if item else ""
        thing = capture.class_names[label] if label else sentences().shown_by.get(model, "")
        if thing and thing not in withheld:
            ids[pair] = len(things)
            things.append(names.setdefault(thing, len(names)))
            models.append(model)
    return ids[pairs], Items(things=torch.tensor(things), models=tuple(models))


def _mapped(path: Path, dtype: type, shape: tuple[int, ...]) -> Tensor:
    """The file as a tensor whose pages are read when they are used. Private to this process: nothing writes to it."""
    return torch.from_numpy(np.memmap(path, dtype, mode="c", shape=shape))
