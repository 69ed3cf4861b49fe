"""Photos and masks as they are shown: turned as EXIF says, 16 bits brought to 8, transparency on white."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from chorus.errors import InputError
from chorus.files import open_picture

SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp")
_DEEP = ("I;16", "I;16B", "I;16L", "I", "F")  # Pillow's modes of one channel with more than 8 bits
_SAMPLED = 8  # photos whose range is measured
PANORAMA = (
    "Cut the panoramas into perspective photos first, for instance with ns-process-data --camera-type equirectangular."
)
_TURNED = 0x0112  # EXIF's orientation
_TURNS = {  # what makes a picture of that orientation upright
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_SAME = 0.02  # aspect ratios that differ by less are of the same picture


@dataclass(frozen=True)
class Range:
    """The darkest and brightest value of a capture whose photos have more than 8 bits."""

    low: float
    high: float


def value_range(paths: Iterable[Path]) -> Range | None:
    """One range for all photos of a capture, so that their exposures stay comparable; None where they have 8 bits."""
    paths = list(paths)
    values = []
    for path in paths[:: max(1, len(paths) // _SAMPLED)]:
        try:
            with open_picture(path) as image:
                if image.mode in _DEEP:
                    values.append(np.nanpercentile(np.asarray(image, np.float64), [0.1, 99.9]))
        except OSError:
            continue
    if not values:
        return None
    low, high = float(np.min(values)), float(np.max(values))
    return Range(low, max(high, low + 1e-9))


def load_rgb(
    path: Path, *, size: tuple[int, int] | None = None, deep: Range | None = None, as_stored: bool = False
) -> np.ndarray:
    """[H, W, 3] uint8. size: (width, height) the poses speak of: EXIF's orientation is honoured unless only the stored
    picture has that shape. as_stored: the poses are of the stored picture, EXIF is honoured only where it alone fits.

    Raises OSError when the file cannot be read.
    """
    with open_picture(path) as image:
        image = _upright(image, size, as_stored)
        if image.mode in _DEEP:
            span = deep or Range(0.0, 65535.0)
            grey = np.nan_to_num((np.asarray(image, np.float64) - span.low) / (span.high - span.low))
            return np.repeat(np.rint(255 * grey.clip(0, 1)).astype(np.uint8)[..., None], 3, axis=2)
        if image.mode in ("RGBA", "LA", "P", "PA"):
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        return np.array(image.convert("RGB"))


def refuse_panorama(path: Path) -> None:
    """Raise InputError for a photo whose XMP says that it is a panorama (Google's GPano); OSError when unreadable."""
    with open_picture(path) as image:
        said = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    said = (said.encode() if isinstance(said, str) else said).lower()
    if b"projectiontype" in said and b"equirectangular" in said:
        raise InputError(path, expected="a photo", got="an equirectangular panorama, as its XMP says", fix=PANORAMA)


def shown_size(path: Path) -> tuple[int, int]:
    """(width, height) of a photo as it is shown. Raises OSError."""
    with open_picture(path) as image:
        turned = _orientation(image) in (5, 6, 7, 8)
        return (image.height, image.width) if turned else image.size


def load_mask(path: Path, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """[H, W] bool: pixels that take part (not black). Raises OSError."""
    with open_picture(path) as image:
        image = _upright(image, size, False)
        values = np.asarray(image.getchannel("A") if image.mode in ("RGBA", "LA") else image)
    return values > 0 if values.ndim == 2 else values.max(axis=2) > 0


def _upright(image: Image.Image, size: tuple[int, int] | None, as_stored: bool) -> Image.Image:
    if (turn := _TURNS.get(_orientation(image))) is None:
        return image
    turned = image.transpose(turn)
    if size is None:
        return image if as_stored else turned
    stored_fits, turned_fits = _fits(image.size, size), _fits(turned.size, size)
    keep = stored_fits or not turned_fits if as_stored else stored_fits and not turned_fits
    return image if keep else turned


def _orientation(image: Image.Image) -> int:
    """As EXIF says; 1, upright, where it says nothing that can be read: a photo is more than its EXIF."""
    try:
        return int(image.getexif().get(_TURNED, 1))
    except Exception:  # Pillow has no error of its own for it
        return 1


def _fits(shape: tuple[int, int], wanted: tuple[int, int]) -> bool:
    return abs(shape[0] * wanted[1] / (shape[1] * wanted[0]) - 1) < _SAME
