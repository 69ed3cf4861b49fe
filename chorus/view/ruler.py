"""The length that a picture from above carries, in the unit of its scene and as sure as that is known."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from chorus.cameras import Cameras
from chorus.frames import Frame

_SHARE = 0.25  # of the picture's width, at most
_MARGIN = 14  # pixels
_INK, _PAPER = (30, 30, 30), (255, 255, 255)


def draw_ruler(picture: np.ndarray, camera: Cameras, *, height: float, frame: Frame) -> np.ndarray:
    """The picture [H, W, 3] uint8 of a camera that looks straight down, with a bar of a round length at ``height``
    (z, of the scene) and what it is: "1 m", "1 m, estimated within 20%" or "1 unit"."""
    pixels_per_length = camera.K[0, 0, 0] / (camera.positions[0, 2] - height)
    length = round_length(_SHARE * camera.width / pixels_per_length)
    image = Image.fromarray(picture)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(size=14)
    left, bottom, bar = _MARGIN, camera.height - _MARGIN, length * pixels_per_length
    text = ruler_text(length, frame)
    width = max(bar, draw.textlength(text, font=font))
    draw.rectangle((left - 6, bottom - 26, left + width + 6, bottom + 6), fill=_PAPER)
    draw.line((left, bottom, left + bar, bottom), fill=_INK, width=3)
    draw.text((left, bottom - 22), text, fill=_INK, font=font)
    return np.array(image)


def round_length(most: float) -> float:
    """The largest of 1, 2 and 5 times a power of ten that is no longer than ``most``."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(power * max(step for step in (1, 2, 5) if step * power <= most * (1 + 1e-9)))


def ruler_text(length: float, frame: Frame) -> str:
    """The length with its unit, and how sure that is."""
    if frame.unit != "m":
        return f"{length:g} unit{'' if length == 1 else 's'}"
    return f"{length:g} m" + (f", estimated within {frame.unit_error:.0%}" if frame.unit_error else "")
