"""Label images of RGB-D data sets: which number means which name."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from chorus.errors import InputError
from chorus.files import open_picture, read_file
from chorus.json_files import read_json

UNLABELLED = "unlabelled"
_TSV = "scannetv2-labels.combined.tsv"
_INFO = ("info_semantic.json", "habitat/info_semantic.json")
_MOST = 255  # classes of a capture, 0 aside
_LARGEST = 65535  # number in a label image
_OTHER = 2.0  # times as wide, or as narrow, for its height as the photo: it is of something else
NYU40 = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "refrigerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand",
    "toilet", "sink", "lamp", "bathtub", "bag", "other structure", "other furniture", "other prop",
)  # fmt: skip


@dataclass(frozen=True)
class Labels:
    """names[0] is what carries no label; index: the class of each number of a label image."""

    names: tuple[str, ...]
    index: dict[int, int]

    def of_image(self, path: Path, size: tuple[int, int]) -> np.ndarray:
        """[H, W] uint8 class of each pixel of a label image, brought to ``size`` (width, height). Raises InputError for
        an image that cannot be read."""
        raw = _read(path, size)
        table = np.zeros(int(raw.max(initial=0)) + 1, np.uint8)
        for number, position in self.index.items():
            if 0 <= number < len(table):
                table[number] = position
        return table[raw]

    def instances(self, path: Path, size: tuple[int, int]) -> np.ndarray:
        """[H, W] uint16, 0 where none."""
        return _read(path, size).astype(np.uint16)


def read_labels(folder: Path) -> Labels:
    """The names a data set gives its numbers: ScanNet's table or Replica's list, in the folder or above it, else the 40
    classes of NYU, which scannet_frames_25k counts in."""
    for parent in (folder, *list(Path(folder).resolve().parents)[:3]):
        if (parent / _TSV).is_file():
            return _scannet(parent / _TSV)
        for name in _INFO:
            if (parent / name).is_file():
                return _replica(parent / name)
    return Labels((UNLABELLED, *NYU40), {i + 1: i + 1 for i in range(len(NYU40))})


def _scannet(path: Path) -> Labels:
    """Raw numbers to the 40 classes of NYU, by ScanNet's own table."""
    try:
        lines = read_file(path).decode("utf-8-sig").splitlines()
        index = {int(row["id"]): int(row["nyu40id"] or 0) for row in csv.DictReader(lines, delimiter="\t")}
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError(path, expected="ScanNet's table with id and nyu40id", got=error) from error
    return Labels((UNLABELLED, *NYU40), {number: k for number, k in index.items() if 0 < k <= len(NYU40)})


def _replica(path: Path) -> Labels:
    try:
        classes = {int(entry["id"]): str(entry["name"]) for entry in read_json(path)["classes"]}
    except (KeyError, OverflowError, TypeError, ValueError) as error:
        raise InputError(path, expected="classes with id and name", got=error) from error
    numbers = [number for number in sorted(classes) if number > 0][:_MOST]
    return Labels((UNLABELLED, *(classes[n] for n in numbers)), {n: i + 1 for i, n in enumerate(numbers)})


def _read(path: Path, size: tuple[int, int]) -> np.ndarray:
    """[H, W] uint16 of a label image of whole numbers."""
    try:
        with open_picture(path) as image:
            if not 1 / _OTHER < image.width * size[1] / (image.height * size[0]) < _OTHER:
                got = f"{image.width} x {image.height} beside {size[0]} x {size[1]}"
                raise InputError(path, expected="a label image of its photo's proportions", got=got)
            raw = np.asarray(image)
    except OSError as error:
        raise InputError(path, expected="a readable label image", got=error) from error
    if raw.ndim != 2 or raw.dtype.kind not in "ui":
        raise InputError(path, expected="a label image of one channel of whole numbers", got=f"{raw.dtype} {raw.shape}")
    if raw.max(initial=0) > _LARGEST:
        raise InputError(path, expected=f"label numbers up to {_LARGEST}", got=int(raw.max()))
    return cv2.resize(raw.astype(np.uint16, copy=False), size, interpolation=cv2.INTER_NEAREST)
