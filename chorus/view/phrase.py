"""What a question says beyond a name: a color, what is meant not to be, what it is near."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

# name -> hue in degrees; gray ones by saturation and brightness
HUES = {"red": 0.0, "orange": 28.0, "yellow": 52.0, "green": 115.0, "turquoise": 175.0, "blue": 220.0, "purple": 280.0,
        "violet": 280.0, "pink": 335.0}  # fmt: skip
GRAYS = {"black": 0.08, "gray": 0.5, "grey": 0.5, "white": 0.95}
BROWN = "brown"
_COLOR = re.compile(rf"\b({'|'.join([*HUES, *GRAYS, BROWN])})\b\s*", re.IGNORECASE)
_NEAR = re.compile(r"^(.+?)\s+(?:by|near|next to|close to|beside)\s+((?:the|a|an|my|some)\s+.+)$", re.IGNORECASE)
_NOT = re.compile(r"^(.+?)\s*(?:,\s*|\s+but\s+|\s+and\s+)(?:not|no|without)\s+(.+)$", re.IGNORECASE)


class Phrase(NamedTuple):
    """what: words to look for; without: words that must not fit better; near: what it stands by; color: a name."""

    what: str
    without: str | None = None
    near: str | None = None
    color: str | None = None


def parse(words: str) -> Phrase:
    """ "a red chair by the window, not an armchair" in its four parts. A question that is a color alone stays whole."""
    rest, without, near, color = " ".join(words.split()), None, None, None
    if found := _NOT.match(rest):
        rest, without = found.groups()
    if found := _NEAR.match(rest):
        rest, near = found.groups()
    if found := _COLOR.search(rest):
        left = (rest[: found.start()] + rest[found.end() :]).strip()
        if left.lower() not in ("", "a", "an", "the", "something", "some", "thing", "anything"):
            rest, color = left, found.group(1).lower()
    return Phrase(rest, without, near, color)


def color_share(rgb: np.ndarray, color: str) -> np.ndarray:
    """[N] in 0..1: how well colors [N, 3] in 0..1 bear a name, by hue, saturation and value."""
    high, low = rgb.max(axis=1), rgb.min(axis=1)
    spread = high - low
    saturation = spread / np.maximum(high, 1e-6)
    if color in GRAYS:
        return np.exp(-((saturation / 0.35) ** 2) - ((high - GRAYS[color]) / 0.3) ** 2)
    hue = _hue(rgb, high, spread)
    target = 25.0 if color == BROWN else HUES[color]
    apart = np.abs((hue - target + 180.0) % 360.0 - 180.0)
    share = np.exp(-((apart / 30.0) ** 2)) * np.clip(saturation / 0.35, 0.0, 1.0)
    return share * np.clip(1.6 - 1.6 * high, 0.0, 1.0) if color == BROWN else share * np.clip(high / 0.25, 0.0, 1.0)


def _hue(rgb: np.ndarray, high: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """[N] degrees, of the hexagonal HSV model; 0 of grays."""
    red, green, blue = rgb.T
    safe = np.where(spread > 0, spread, 1.0)
    sector = np.where(high == green, (blue - red) / safe + 2, (red - green) / safe + 4)
    sector = np.where(high == red, ((green - blue) / safe) % 6, sector)
    return np.where(spread > 0, 60.0 * sector, 0.0)
