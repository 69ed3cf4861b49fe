"""The light of a generated room and the camera that saw it: wider ranges than the designed homes', so that real
captures lie inside them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from chorus.sources.sweethome3d.light import LightPreset

LIGHTS = {"day": 0.7, "dusk": 0.14, "evening": 0.16}  # by share


@dataclass(frozen=True, kw_only=True)
class Light:
    """A light preset with what the renderer's other parts need to know of it."""

    name: str  # of LIGHTS
    preset: LightPreset
    glow: float  # of the view outside
    lamps_on: bool


@dataclass(frozen=True, kw_only=True)
class Sensor:
    """What a camera makes of radiance before it is developed."""

    exposure: float  # factor on the metered one
    balance: tuple[float, float, float]  # factors on red, green and blue
    saturation: float
    vignette: float  # share of the light that the corners lose
    blur: float  # standard deviation, share of the picture's width
    noise: float  # standard deviation in sRGB units at mid grey


def draw_light(rng: np.random.Generator) -> Light:
    """Daylight of any strength and warmth, most often; dusk with lamps; an evening by lamplight."""
    name = str(rng.choice(list(LIGHTS), p=list(LIGHTS.values())))
    sky, ceiling, lamp, glow = {
        "day": (rng.uniform(1.2, 3.0), rng.uniform(0.16, 0.55), 0.0, rng.uniform(0.8, 1.25)),
        "dusk": (rng.uniform(0.3, 1.0), rng.uniform(0.2, 0.45), rng.uniform(0.35, 0.8), rng.uniform(0.3, 0.7)),
        "evening": (rng.uniform(0.02, 0.1), rng.uniform(0.22, 0.5), rng.uniform(0.5, 1.0), rng.uniform(0.03, 0.12)),
    }[name]
    lamps_on = name != "day" or bool(rng.random() < 0.2)
    lamp = lamp or (0.3 if lamps_on else 0.0)
    preset = LightPreset(
        sky=_tint(rng, sky, warm=(-0.16, 0.08)),
        ceiling=_tint(rng, ceiling, warm=(-0.05, 0.12) if name == "day" else (0.0, 0.4)),
        lamp=_tint(rng, lamp, warm=(0.05, 0.45)),
        ambient=float(rng.uniform(0.42, 0.72)),
    )
    return Light(name=name, preset=preset, glow=float(glow), lamps_on=lamps_on)


def _tint(rng: np.random.Generator, strength: float, *, warm: tuple[float, float]) -> tuple[float, float, float]:
    """A strength as red, green and blue; positive warmth takes blue away, negative red."""
    w = float(rng.uniform(*warm))
    green = 1.0 - 0.35 * abs(w) + float(rng.normal(0, 0.01))
    red, blue = (1.0 + 0.3 * w, 1.0 - w) if w > 0 else (1.0 + w, 1.0 - 0.3 * w)
    return (strength * red, strength * green, strength * blue)


def draw_sensor(rng: np.random.Generator) -> Sensor:
    """A camera and its settings: mostly good ones, some noisy, soft or badly balanced."""
    warm, green = rng.normal(0, 0.06), rng.normal(0, 0.02)
    return Sensor(
        exposure=float(np.exp(rng.normal(0, 0.18))),
        balance=(float(1 + warm), float(1 + green), float(1 - warm)),
        saturation=float(rng.uniform(0.75, 1.15)),
        vignette=float(rng.uniform(0.0, 0.35) if rng.random() < 0.6 else 0.0),
        blur=float(rng.uniform(0.0, 0.0022) if rng.random() < 0.5 else 0.0),
        noise=float(rng.choice([0.006, 0.011, 0.018], p=(0.5, 0.35, 0.15))),
    )


def expose(radiance: np.ndarray, sensor: Sensor) -> np.ndarray:
    """[V, H, W, 3] float32 linear radiance as the sensor receives it."""
    _, h, w, _ = radiance.shape
    y, x = np.mgrid[0:h, 0:w]
    away = ((x - w / 2 + 0.5) ** 2 + (y - h / 2 + 0.5) ** 2) / (w * w + h * h) * 4
    lens = (1.0 - sensor.vignette * away).astype(np.float32)
    seen = radiance * lens[None, :, :, None] * np.array(sensor.balance, np.float32)
    grey = seen.mean(-1, keepdims=True)
    seen = np.maximum(grey + np.float32(sensor.saturation) * (seen - grey), 0.0)
    if sensor.blur > 0:
        sigma = sensor.blur * w
        seen = ndimage.gaussian_filter(np.minimum(seen, 4.0), (0, sigma, sigma, 0), truncate=2.5)
    return seen
