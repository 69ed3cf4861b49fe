"""Depth images: 16-bit counts, floats in tiff or npy; unknown is 0."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from chorus.errors import InputError
from chorus.files import open_picture
from chorus.io.npy import read_npy, read_npz

MILLIMETERS = 0.001
MOST_PIXELS = 20_000_000  # more than any camera measures; a damaged header promises what it likes
_ROOM = 100.0  # a median depth beyond it, of floats, is no room's in metres


class Depth(NamedTuple):
    """meters: [H, W] float32, 0 where unknown; unit: metres of one of the file's numbers."""

    meters: np.ndarray
    unit: float


def read_depth(path: Path, *, unit: float | None = None, counts: float = MILLIMETERS) -> Depth:
    """A depth image; 0, 65535 (of 16 bits) and anything not finite are unknown.

    unit: metres of one count, where known for certain; when None, whole numbers count ``counts`` metres, and floats
    metres, or millimetres where their median passes 100. Raises OSError when unreadable, InputError when it is no
    depth image.
    """
    if path.suffix.lower() == ".exr":
        fix = "Convert it, for instance with OpenCV: imread(path, IMREAD_UNCHANGED), then numpy.save."
        raise InputError(path, expected="depth in .png, .tiff or .npy", got="OpenEXR", fix=fix)
    raw = _read(path)
    if raw.ndim == 3 and raw.shape[-1] == 1:
        raw = raw[..., 0]
    if raw.ndim != 2 or raw.dtype.kind not in "uif" or raw.dtype == np.uint8:
        raise InputError(
            path,
            expected="a single-channel depth image of 16-bit counts or floats",
            got=f"{raw.dtype} {list(raw.shape)}",
            fix="Export the measured depth, not a picture of it.",
        )
    floats = raw.dtype.kind == "f"
    depth = raw.astype(np.float32)
    del raw  # a header may promise millions of pixels: few arrays of them at a time
    known = depth > 0
    known &= depth < (np.inf if floats else 65535)
    if unit is None:
        unit = counts
        if floats:
            unit = 1.0 if not known.any() or np.median(depth[known]) < _ROOM else MILLIMETERS
    depth[np.logical_not(known, out=known)] = 0.0
    depth *= np.float32(unit)
    return Depth(depth, unit)


def _read(path: Path) -> np.ndarray:
    if path.suffix.lower() in (".npy", ".npz"):
        try:
            return read_npy(path) if path.suffix.lower() == ".npy" else read_npz(path)
        except InputError as error:
            raise OSError(str(error)) from error
    with open_picture(path) as image:
        if image.width * image.height > MOST_PIXELS:
            expected = f"a depth image of at most {MOST_PIXELS / 1e6:.0f} million pixels"
            raise InputError(path, expected=expected, got=f"{image.width} x {image.height}", fix="Scale it down.")
        return np.array(image)
