"""PlayCanvas' SOG, version 2: columns of Gaussians as lossless WebP pictures beside a meta.json, in a folder or a zip.

Positions: 16 bits in two pictures, between bounds of sign(x) ln(1 + |x|); rotations: the three smallest components in
bytes, the largest one's number in alpha (from 252); log-scales, colours and harmonics through code books of 256 values;
opacity after the sigmoid; harmonics by the number of one of at most 65536 centroids, 64 in a picture's row.
"""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from chorus.errors import InputError
from chorus.files import open_picture
from chorus.io.archive import open_files
from chorus.io.assemble import Columns, assemble
from chorus.io.packing import largest_of_four, logits
from chorus.scene import GaussianScene

META = "meta.json"
_REST = {1: 3, 2: 8, 3: 15}  # harmonics of a number of bands
_ROW = 64  # centroids in a row of their picture
_MOST = 1 << 26  # Gaussians, pixels of a picture
_FIRST = 252  # alpha of a rotation whose largest component is the first
_FORMATS = ("WEBP", "PNG")
_AGAIN = "Export it anew with SuperSplat or splat-transform."


def read_sog(path: Path) -> GaussianScene:
    """A scene from a .sog bundle, its folder or its meta.json. Raises InputError naming the entry or picture that does
    not fit."""
    path = Path(path)
    with open_files(path) as read:
        try:
            meta = json.loads(read(META))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}: {META}", expected="JSON", got=error, fix=_AGAIN) from error
        try:
            version = meta.get("version", 1)
            if version != 2:
                raise InputError(path, expected="SOG version 2", got=f"version {version}", fix=_AGAIN)
            return assemble(path, _columns(path, meta, read))
        except (KeyError, OverflowError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise InputError(
                f"{path}: {META}", expected="the entries of SOG version 2", got=repr(error), fix=_AGAIN
            ) from error


def _columns(path: Path, meta: dict, read: Callable[[str], bytes]) -> Columns:
    count = int(meta["count"])

    def picture(entry: str, file: int = 0) -> np.ndarray:
        """[count, 4] RGBA, a row a Gaussian."""
        name = meta[entry]["files"][file]
        pixels = _pixels(path, name, read(name), most=min(4 * count + 65536, _MOST)).reshape(-1, 4)
        if len(pixels) < count:
            raise InputError(f"{path}: {name}", expected=f"{count} pixels", got=len(pixels), fix=_AGAIN)
        return pixels[:count]

    low, high = (np.asarray(meta["means"][key], np.float64) for key in ("mins", "maxs"))
    coarse, fine = picture("means", 1)[:, :3].astype(np.int64), picture("means", 0)[:, :3]
    bent = low + (coarse << 8 | fine) / 65535.0 * (high - low)
    quats = picture("quats")
    largest = quats[:, 3].astype(np.int64) - _FIRST
    three = np.where(largest[:, None] < 0, np.nan, (quats[:, :3] / 255.0 - 0.5) * math.sqrt(2.0))
    colors = picture("sh0")
    sh = _book(meta["sh0"])[colors[:, :3]][:, None]
    if "shN" in meta:
        sh = np.concatenate([sh, _harmonics(path, meta["shN"], picture("shN", 1), read)], axis=1)
    return Columns(
        means=np.sign(bent) * np.expm1(np.abs(bent)),
        quats=largest_of_four(three, largest.clip(0)),
        log_scales=_book(meta["scales"])[picture("scales")[:, :3]],
        opacity_logits=logits(colors[:, 3] / 255.0),
        sh=sh,
    )


def _book(entry: dict) -> np.ndarray:
    """[256] the values of a code book."""
    book = np.asarray(entry["codebook"], np.float64)
    if book.shape != (256,):
        raise ValueError(f"a code book of shape {list(book.shape)}")
    return book


def _harmonics(path: Path, entry: dict, labels: np.ndarray, read: Callable[[str], bytes]) -> np.ndarray:
    """[N, K - 1, 3] of the centroids that labels [N, 4] name."""
    rest, palette = _REST[entry["bands"]], int(entry["count"])
    name = entry["files"][0]
    pixels = _pixels(path, name, read(name), most=_ROW * rest * 1024)
    number = labels[:, 0].astype(np.int64) | labels[:, 1].astype(np.int64) << 8
    rows = -(-palette // _ROW)
    if pixels.shape[0] < rows or pixels.shape[1] != _ROW * rest or number.max() >= palette:
        got = f"{pixels.shape[1]} x {pixels.shape[0]} and number {number.max()}"
        raise InputError(
            f"{path}: {name}", expected=f"{palette} centroids, {_ROW * rest} pixels a row", got=got, fix=_AGAIN
        )
    centroids = pixels[:rows].reshape(-1, rest, 4)[:, :, :3]
    return _book(entry)[centroids[number]]


def _pixels(path: Path, name: str, content: bytes, *, most: int) -> np.ndarray:
    """[H, W, 4] uint8 of a picture of at most ``most`` pixels."""
    try:
        with open_picture(io.BytesIO(content), formats=_FORMATS) as picture:
            if picture.width * picture.height > most:
                got = f"{picture.width} x {picture.height}"
                raise InputError(f"{path}: {name}", expected=f"at most {most} pixels", got=got, fix=_AGAIN)
            return np.asarray(picture.convert("RGBA"))
    except OSError as error:
        raise InputError(f"{path}: {name}", expected="a WebP picture", got=error, fix=_AGAIN) from error
