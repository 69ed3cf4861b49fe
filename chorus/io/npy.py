"""Arrays of .npy files, checked against the size of the file before anything of that size is made."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from chorus.errors import InputError
from chorus.files import reading, regular
from chorus.io.archive import open_zip, read_entry

_EXPECTED = "a .npy array"
_HEADS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read_npy(path: Path, *, mapped: bool = False) -> np.ndarray:
    """The array of a file; mapped: read from disk as it is used. Raises InputError for what is no array of numbers, or
    promises more of them than it holds; nothing in it is run."""
    with reading(path, expected=_EXPECTED):
        with open(regular(path), "rb") as stream:
            _check(path, stream, os.fstat(stream.fileno()).st_size)
        return np.load(path, allow_pickle=False, mmap_mode="r" if mapped else None)


def read_npz(path: Path) -> np.ndarray:
    """The first array of an .npz, of at most 256 MiB. Raises InputError as :func:`read_npy`."""
    with open_zip(path) as archive, reading(path, expected="an .npz of arrays"):
        content = read_entry(archive, archive.infolist()[0])
        _check(path, io.BytesIO(content), len(content))
        return np.load(io.BytesIO(content), allow_pickle=False)


def _check(path: Path, stream, size: int) -> None:
    """Raise InputError unless a stream's head promises numbers, ValueError where they are more than fit its bytes."""
    version = npy.read_magic(stream)
    if version not in _HEADS:
        raise ValueError(f"version {version} of the format")
    shape, _, kind = _HEADS[version](stream)
    if kind.kind not in "biuf":
        got = "Python objects" if kind.hasobject else kind
        raise InputError(path, expected="an array of numbers", got=got, fix="Save it as numbers.")
    if min(shape, default=0) < 0 or math.prod(shape) * kind.itemsize > size - stream.tell():
        raise ValueError(f"{list(shape)} numbers in {size} bytes")
