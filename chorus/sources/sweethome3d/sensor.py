"""From light to a picture: exposure, tone curve, sRGB, noise."""

from __future__ import annotations

import numpy as np

MIDDLE = 0.30  # linear brightness the mean of a scene is exposed to
ADAPTATION = 0.75  # 1: every scene equally bright; less: dark rooms stay darker
EXPOSURE_SPREAD = 0.03  # from view to view, relative
NOISE = 0.006  # standard deviation in sRGB units at mid grey


def develop(
    radiance: np.ndarray, rng: np.random.Generator, *, exposure: float = 1.0, noise: float = NOISE
) -> np.ndarray:
    """[V, H, W, 3] uint8 sRGB from linear radiance [V, H, W, 3]; one exposure for the scene, a little variation a
    view. exposure: a factor on the metered one; noise: standard deviation in sRGB units at mid grey."""
    gain = (MIDDLE / max(float(np.minimum(radiance, 1.5).mean()), 1e-4)) ** ADAPTATION * exposure
    images = np.empty(radiance.shape, np.uint8)
    for i, frame in enumerate(radiance):
        exposed = frame * np.float32(gain * (1.0 + EXPOSURE_SPREAD * rng.uniform(-1, 1)))
        srgb = _encode(_shoulder(exposed))
        grain = rng.standard_normal(srgb.shape, dtype=np.float32) * (noise * np.sqrt(0.25 + srgb))
        images[i] = np.clip(np.rint((srgb + grain) * 255), 0, 255).astype(np.uint8)
    return images


def _shoulder(x: np.ndarray) -> np.ndarray:
    """Linear up to 0.55, then bending towards 1 instead of clipping."""
    knee, room = np.float32(0.55), np.float32(0.45)
    return np.where(x <= knee, x, knee + room * (1 - np.exp(-(np.maximum(x, knee) - knee) / room)))


def _encode(x: np.ndarray) -> np.ndarray:
    """Linear to sRGB."""
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-8) ** np.float32(1 / 2.4) - 0.055)
