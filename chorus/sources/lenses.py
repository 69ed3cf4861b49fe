"""Lenses: every camera model of COLMAP and nerfstudio, and the pinhole image that holds only what one saw.

A model is one function: where the direction (x, y, 1) lands on the plane of unit focal length. Undistortion asks it for
every pixel of the pinhole image, so no model has to be inverted. Formulas: Brown 1971, Kannala and Brandt 2006
(fisheye), Devernay and Faugeras 2001 (FOV), Fitzgibbon 2001 (division), Khomutenko et al. 2016 (EUCM); parameters in
COLMAP's order.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from chorus.errors import InputError
from chorus.sources.images import PANORAMA

_WIDEST = np.tan(np.radians(55.0))  # half the angle a pinhole image may span: beyond, its edges are smeared
_SEARCH = 40  # halvings
Plane = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Lens:
    """A camera model of an image of ``size`` (width, height): focal lengths and centre in pixels (centres at +0.5)."""

    model: str
    focal: tuple[float, float]
    center: tuple[float, float]
    params: tuple[float, ...]
    size: tuple[int, int]

    @property
    def K(self) -> np.ndarray:
        """[3, 3], as if there were no distortion."""
        return np.array([[self.focal[0], 0, self.center[0]], [0, self.focal[1], self.center[1]], [0, 0, 1.0]])

    @property
    def bends(self) -> bool:
        """Whether the image is not a pinhole's already."""
        return self.model in _FISHEYES or any(self.params)

    def scaled(self, width: int, height: int) -> Lens:
        """The same lens over an image of another size."""
        x, y = width / self.size[0], height / self.size[1]
        focal, center = (self.focal[0] * x, self.focal[1] * y), (self.center[0] * x, self.center[1] * y)
        return Lens(self.model, focal, center, self.params, (width, height))

    def project(self, x: np.ndarray, y: np.ndarray) -> Plane:
        """(columns, rows) of the directions (x, y, 1); NaN where the model folds back over itself."""
        bend = _MODELS[self.model][1]
        u, v = bend(x, y, self.params)
        beyond = np.hypot(x, y) > _reach(self.model, self.params)
        u, v = np.where(beyond, np.nan, u), np.where(beyond, np.nan, v)
        return u * self.focal[0] + self.center[0], v * self.focal[1] + self.center[1]


def lens(model: str, params: list[float], size: tuple[int, int], *, where: object) -> Lens:
    """A lens by the name of its model and COLMAP's list of parameters. Raises InputError for a model that is not known,
    by its name, and for a wrong number of parameters."""
    name = str(model).upper()
    if name not in _MODELS:
        raise InputError(
            where,
            expected=f"a camera model that can be undone ({', '.join(sorted(_MODELS))})",
            got=name,
            fix=_ELSEWHERE.get(name, "Undistort the photos first, for instance with colmap image_undistorter."),
        )
    head, count = _MODELS[name][0], _MODELS[name][2]
    if len(params) != len(head) + count or not np.isfinite(params).all():
        raise InputError(where, expected=f"{len(head) + count} finite parameters of {name}", got=list(params))
    values = dict(zip(head, params, strict=False))
    focal = (values.get("f", values.get("fx", 0.0)), values.get("f", values.get("fy", 0.0)))
    if min(focal) <= 0 or min(size) < 1:
        raise InputError(where, expected="positive focal lengths and image size", got=f"{focal} at {size}")
    center = (values["cx"], values["cy"])
    return Lens(name, tuple(map(float, focal)), tuple(map(float, center)), tuple(map(float, params[len(head) :])), size)  # type: ignore[arg-type]


def undistort(image: np.ndarray, lens: Lens, *, nearest: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(image [H, W, ...], K [3, 3]) of the widest pinhole camera of the same size and centre that shows only pixels the
    lens saw; itself where there is nothing to undo. nearest: for masks, labels and depth."""
    if not lens.bends:
        return image, lens.K
    K, columns, rows = _maps(lens)
    method = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    return cv2.remap(image, columns, rows, method, borderMode=cv2.BORDER_REPLICATE), K


@functools.lru_cache(maxsize=4)
def _maps(lens: Lens) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """K [3, 3] of the pinhole and, for each of its pixels, where it lies in the image: OpenCV counts from 0 there."""
    width, height = lens.size
    K = _pinhole(lens)
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    u, v = lens.project((columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1])
    return K, (u - 0.5).astype(np.float32), (v - 0.5).astype(np.float32)


def _pinhole(lens: Lens) -> np.ndarray:
    """K [3, 3]: the shortest focal length at which the border of the pinhole image still lies inside the image."""
    width, height = lens.size
    along, down = np.linspace(0.5, width - 0.5, 65), np.linspace(0.5, height - 0.5, 65)
    columns = np.concatenate([along, along, np.full(65, 0.5), np.full(65, width - 0.5)])
    rows = np.concatenate([np.full(65, 0.5), np.full(65, height - 0.5), down, down])
    x, y = (columns - lens.center[0]) / lens.focal[0], (rows - lens.center[1]) / lens.focal[1]

    def inside(zoom: float) -> bool:
        u, v = lens.project(x / zoom, y / zoom)
        return bool(np.all((u >= 0) & (u <= width) & (v >= 0) & (v <= height)))  # NaN is not

    low, high = max(float(np.abs([x, y]).max()) / _WIDEST, 0.05), 16.0
    if inside(low):
        high = low
    for _ in range(_SEARCH):
        middle = np.sqrt(low * high)
        low, high = (low, middle) if inside(middle) else (middle, high)
    return lens.K * np.array([[high, 1, 1], [1, high, 1], [1, 1, 1]])


def _reach(model: str, params: tuple[float, ...]) -> float:
    """The tangent up to which the model's radius grows with the angle."""
    tangents = np.tan(np.linspace(0, np.radians(89.0), 400))
    with np.errstate(invalid="ignore"):
        radius = np.hypot(*_MODELS[model][1](tangents, np.zeros_like(tangents), params))
    falls = np.flatnonzero(~(np.diff(radius) > 0))
    return float(tangents[falls[0]]) if len(falls) else np.inf


def _brown(x: np.ndarray, y: np.ndarray, k: tuple[float, ...]) -> Plane:
    """k1 k2 p1 p2 k3 k4: radial and tangential, the radial one a polynomial."""
    k1, k2, p1, p2, k3, k4 = (*k, *(0.0,) * (6 - len(k)))
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
    return x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y)


def _radial(x: np.ndarray, y: np.ndarray, k: tuple[float, ...]) -> Plane:
    k1, k2 = (*k, 0.0, 0.0)[:2]
    return _brown(x, y, (k1, k2))


def _rational(x: np.ndarray, y: np.ndarray, k: tuple[float, ...]) -> Plane:
    """k1 k2 p1 p2 k3 k4 k5 k6 as in OpenCV: the radial part is a fraction."""
    k1, k2, p1, p2, k3, k4, k5, k6 = k
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    return x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x), y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y)


def _field_of_view(x: np.ndarray, y: np.ndarray, k: tuple[float, ...]) -> Plane:
    (omega,) = k
    radius = np.maximum(np.hypot(x, y), 1e-9)
    factor = np.arctan(radius * 2 * np.tan(omega / 2)) / (radius * omega) if abs(omega) > 1e-6 else 1.0
    return x * factor, y * factor


def _division(x: np.ndarray, y: np.ndarray, k: tuple[float, ...]) -> Plane:
    factor = 2 / (1 + np.sqrt(1 - 4 * k[0] * (x * x + y * y)))
    return x * factor, y * factor


def _eucm(x: np.ndarray, y: np.ndarray, k: tuple[float, ...]) -> Plane:
    alpha, beta = k
    factor = 1 / (alpha * np.sqrt(beta * (x * x + y * y) + 1) + 1 - alpha)
    return x * factor, y * factor


def _equidistant(x: np.ndarray, y: np.ndarray) -> Plane:
    radius = np.hypot(x, y)
    factor = np.arctan(radius) / np.maximum(radius, 1e-9)
    factor = np.where(radius < 1e-9, 1.0, factor)
    return x * factor, y * factor


def _fisheye(x: np.ndarray, y: np.ndarray, k: tuple[float, ...]) -> Plane:
    """k1 ... kn: a polynomial in the angle, odd powers."""
    x, y = _equidistant(x, y)
    t2 = x * x + y * y
    factor = 1 + sum(value * t2 ** (power + 1) for power, value in enumerate(k))
    return x * factor, y * factor


def _prism_fisheye(x: np.ndarray, y: np.ndarray, k: tuple[float, ...]) -> Plane:
    """k1 k2 p1 p2 k3 k4 sx1 sy1."""
    x, y = _equidistant(x, y)
    u, v = _brown(x, y, k[:6])
    t2 = x * x + y * y
    return u + k[6] * t2, v + k[7] * t2


def _radial_prism_fisheye(x: np.ndarray, y: np.ndarray, k: tuple[float, ...]) -> Plane:
    """k0 ... k5 p0 p1 s0 ... s3."""
    x, y = _fisheye(x, y, k[:6])
    p0, p1, s0, s1, s2, s3 = k[6:]
    r2 = x * x + y * y
    u = x + p0 * (2 * x * x + r2) + 2 * p1 * x * y + s0 * r2 + s1 * r2 * r2
    return u, y + p1 * (2 * y * y + r2) + 2 * p0 * x * y + s2 * r2 + s3 * r2 * r2


_ONE, _TWO = ("f", "cx", "cy"), ("fx", "fy", "cx", "cy")
_MODELS: dict[
    str, tuple[tuple[str, ...], Callable, int]
] = {  # names of the first parameters, function, how many others
    "SIMPLE_PINHOLE": (_ONE, _radial, 0),
    "PINHOLE": (_TWO, _radial, 0),
    "SIMPLE_RADIAL": (_ONE, _radial, 1),
    "RADIAL": (_ONE, _radial, 2),
    "OPENCV": (_TWO, _brown, 4),
    "BROWN": (_TWO, _brown, 6),  # nerfstudio's perspective camera with k3 and k4, as Metashape writes them
    "FULL_OPENCV": (_TWO, _rational, 8),
    "FOV": (_TWO, _field_of_view, 1),
    "SIMPLE_DIVISION": (_ONE, _division, 1),
    "DIVISION": (_TWO, _division, 1),
    "EUCM": (_TWO, _eucm, 2),
    "SIMPLE_FISHEYE": (_ONE, _fisheye, 0),
    "FISHEYE": (_TWO, _fisheye, 0),
    "SIMPLE_RADIAL_FISHEYE": (_ONE, _fisheye, 1),
    "RADIAL_FISHEYE": (_ONE, _fisheye, 2),
    "OPENCV_FISHEYE": (_TWO, _fisheye, 4),
    "THIN_PRISM_FISHEYE": (_TWO, _prism_fisheye, 8),
    "RAD_TAN_THIN_PRISM_FISHEYE": (_TWO, _radial_prism_fisheye, 12),
}
_FISHEYES = {name for name in _MODELS if "FISHEYE" in name} | {"EUCM"}
_PANORAMAS = (
    "EQUIRECTANGULAR", "LATLONG", "SPHERICAL", "VR180_L", "VR180_R", "OMNIDIRECTIONALSTEREO_L",
    "OMNIDIRECTIONALSTEREO_R",
)  # fmt: skip
_ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(_PANORAMAS, PANORAMA),
    "ORTHOPHOTO": "Bring the photos it was made from: no camera saw it.",
}
