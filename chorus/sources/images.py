"""Photos and masks as they are shown: turned as EXIF says, 16 bits brought to 8, transparency on white."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from chorus.errors import InputError
from chorus.files import open_picture

FOREIGN = (  # what cameras write and we do not read; Pillow opens the thumbnail of some
    ".heic", ".heif", ".jxl", ".exr", ".hdr", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".raf", ".rw2", ".pef",
    ".srw", ".raw",
)  # fmt: skip
SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp", ".bmp")
_DEEP = ("I;16", "I;16B", "I;16L", "I", "F")  # Pillow's modes of one channel with more than 8 bits
_SAMPLED = 8  # photos whose range is measured
_BITS = (8, 10, 12, 14, 16)  # of the sensors behind files of 16 bits a channel
PANORAMA = (
    "Cut the panoramas into perspective photos first, for instance with ns-process-data --camera-type equirectangular."
)
_ORIENTATION = 0x0112  # of EXIF
_TURNS = {  # what makes a picture of that orientation upright
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_SAME = 0.02  # aspect ratios that differ by less are of the same picture


@dataclass(frozen=True)
class Range:
    """What black and white are in a capture whose photos have more than 8 bits."""

    low: float
    high: float

    def says(self) -> str:
        return f"photos of more than 8 bits: {self.low:.6g} is black, {self.high:.6g} white"

    def bytes_of(self, values: np.ndarray) -> np.ndarray:
        """uint8; black where a value is none."""
        shares = np.nan_to_num((values.astype(np.float64) - self.low) / (self.high - self.low))
        return np.rint(255 * shares.clip(0, 1)).astype(np.uint8)


_FULL = Range(0.0, 65535.0)


def value_range(paths: Iterable[Path]) -> Range | None:
    """One range for all photos of a capture, so that their exposures stay comparable; None where they have 8 bits.

    Of one channel, which may hold any physical value, the range that is used; of colours, that of the sensor: the
    fewest bits their values fit into.
    """
    paths = list(paths)
    ranges = []
    for path in paths[:: max(1, len(paths) // _SAMPLED)]:
        try:
            with _opened(path) as image:
                if image.mode in _DEEP:
                    ranges.append(np.nanpercentile(np.asarray(image, np.float64), [0.1, 99.9]))
                elif _deep_colors(image):
                    most = int(_colors(path).max())
                    ranges.append([0.0, next(2**bits - 1 for bits in _BITS if most < 2**bits)])
        except OSError:
            continue
    if not ranges:
        return None
    low, high = float(np.min(ranges)), float(np.max(ranges))
    return Range(low, max(high, low + 1e-9))


def load_rgb(
    path: Path, *, size: tuple[int, int] | None = None, deep: Range | None = None, as_stored: bool = False
) -> np.ndarray:
    """[H, W, 3] uint8. size: (width, height) the poses speak of: EXIF's orientation is honoured unless only the stored
    picture has that shape. as_stored: the poses are of the stored picture, EXIF is honoured only where it alone fits.

    Raises OSError when the file cannot be read.
    """
    with _opened(path) as image:
        return np.array(_turned(_shallow(path, image, deep or _FULL), _orientation(image), size, as_stored))


def _shallow(path: Path, image: Image.Image, deep: Range) -> Image.Image:
    """The picture in 8-bit RGB, as stored."""
    if image.mode in _DEEP:
        return Image.fromarray(deep.bytes_of(np.asarray(image))).convert("RGB")
    if _deep_colors(image):
        image = Image.fromarray(deep.bytes_of(_colors(path)))
    if image.mode in ("RGBA", "LA", "P", "PA"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _deep_colors(image: Image.Image) -> bool:
    """Whether a picture of several channels has 16 bits in each: Pillow drops the lower eight."""
    return image.mode not in _DEEP and any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()))


def _colors(path: Path) -> np.ndarray:
    """[H, W, 3 or 4] uint16 RGB of a picture of 16 bits a channel. Raises OSError."""
    raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if raw is None or raw.ndim != 3:
        raise OSError(f"{path}: a picture of 16 bits a channel that OpenCV cannot decode")
    return cv2.cvtColor(raw, cv2.COLOR_BGR2RGB if raw.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A photo of Pillow's. Raises OSError, for raw photos too."""
    if path.suffix.lower() in FOREIGN:
        raise OSError(f"{path}: {path.suffix} is not read")
    with open_picture(path) as image:
        yield image


def refuse_panorama(path: Path) -> None:
    """Raise InputError for a photo whose XMP says that it is a panorama (Google's GPano); OSError when unreadable."""
    with open_picture(path) as image:
        said = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    said = (said.encode() if isinstance(said, str) else said).lower()
    if b"projectiontype" in said and b"equirectangular" in said:
        raise InputError(path, expected="a photo", got="an equirectangular panorama, as its XMP says", fix=PANORAMA)


def shown_size(path: Path) -> tuple[int, int]:
    """(width, height) of a photo as it is shown. Raises OSError."""
    with _opened(path) as image:
        turned = _orientation(image) in (5, 6, 7, 8)
        return (image.height, image.width) if turned else image.size


def load_mask(path: Path, *, size: tuple[int, int] | None = None) -> np.ndarray:
    """[H, W] bool: pixels that take part (not black). Raises OSError."""
    with open_picture(path) as image:
        image = _turned(image, _orientation(image), size, False)
        values = np.asarray(image.getchannel("A") if image.mode in ("RGBA", "LA") else image)
    return values > 0 if values.ndim == 2 else values.max(axis=2) > 0


def _turned(image: Image.Image, orientation: int, size: tuple[int, int] | None, as_stored: bool) -> Image.Image:
    if (turn := _TURNS.get(orientation)) is None:
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
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # Pillow has no error of its own for it
        return 1


def _fits(shape: tuple[int, int], wanted: tuple[int, int]) -> bool:
    return abs(shape[0] * wanted[1] / (shape[1] * wanted[0]) - 1) < _SAME
