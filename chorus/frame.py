"""How a scene's coordinates relate to those of the file it came from: where up is, what a unit is, and how both are
known. The one place that knows; the command line, the library and the viewer ask it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from chorus.errors import InputError

Known = Literal["given", "file", "estimated", "assumed", "unknown"]  # by the user, by the file, ...; unknown: no guess
UPS = {
    "x": (1.0, 0.0, 0.0),
    "-x": (-1.0, 0.0, 0.0),
    "y": (0.0, 1.0, 0.0),
    "-y": (0.0, -1.0, 0.0),
    "z": (0.0, 0.0, 1.0),
    "-z": (0.0, 0.0, -1.0),
}
UNITS = {"mm": 0.001, "cm": 0.01, "m": 1.0, "ft": 0.3048}  # metres of one
FAR = 200.0  # times its extent a scene lies from the origin: float32 then keeps five digits of its inside at most


@dataclass(frozen=True, kw_only=True)
class Frame:
    """scene = scale * turn @ (file - offset): z up, metres unless ``unit`` is unknown.

    up, unit: how the direction and the scale are known; spread: an estimated scale may be off by this share.
    """

    turn: np.ndarray = field(default_factory=lambda: np.eye(3))  # [3, 3] orthogonal
    scale: float = 1.0  # scene units of one file unit
    offset: np.ndarray = field(default_factory=lambda: np.zeros(3))  # [3] file units, double
    up: Known = "assumed"
    unit: Known = "unknown"
    spread: float = 0.0

    @property
    def is_file(self) -> bool:
        """Whether scene and file coordinates are the same numbers."""
        return self.scale == 1.0 and not self.offset.any() and np.array_equal(self.turn, np.eye(3))

    @property
    def unit_name(self) -> str:
        """Of lengths in the scene: m, or units where nothing says what they are."""
        return "units" if self.unit == "unknown" else "m"

    @property
    def file_up(self) -> np.ndarray:
        """[3] unit: the scene's z in the file's axes."""
        return self.turn[2]

    def to_scene(self, points: np.ndarray) -> np.ndarray:
        """[..., 3] double, of file points [..., 3]."""
        return self.scale * (np.asarray(points, np.float64) - self.offset) @ self.turn.T

    def to_file(self, points: np.ndarray) -> np.ndarray:
        """[..., 3] double, of scene points [..., 3]."""
        return np.asarray(points, np.float64) / self.scale @ self.turn + self.offset

    def moved(self, *, turn: np.ndarray | None = None, scale: float = 1.0, **known) -> Frame:
        """The frame of the scene after it is turned by ``turn`` [3, 3] and then scaled; known: up, unit, spread."""
        turn = self.turn if turn is None else turn @ self.turn
        return replace(self, turn=turn, scale=self.scale * scale, **known)

    def __str__(self) -> str:
        """One line: up, unit and how each is known."""
        parts = [f"up is {axis_name(self.file_up)} of the file ({self.up})"]
        if self.unit == "unknown":
            parts.append("unit unknown")
        else:
            spread = f", within {round(100 * self.spread)} %" if self.unit == "estimated" else ""
            parts.append(f"one unit of it is {self.scale:.4g} m ({self.unit}{spread})")
        if self.offset.any():
            parts.append(f"centred on {', '.join(f'{x:.10g}' for x in self.offset)}")
        return "; ".join(parts)


def up_vector(up: str) -> np.ndarray:
    """[3] of a name among UPS. Raises InputError for another one."""
    try:
        return np.array(UPS[up.lstrip("+").lower()])
    except KeyError:
        raise InputError("--up", expected=f"one of {', '.join(UPS)} or keep", got=repr(up)) from None


def meters_of(unit: str) -> float:
    """Metres of one unit, by its name. Raises InputError for an unknown one."""
    try:
        return UNITS[unit.lower()]
    except KeyError:
        raise InputError("--unit", expected=f"one of {', '.join(UNITS)}", got=repr(unit)) from None


def axis_name(up: np.ndarray) -> str:
    """The axis a direction lies along, within a hundredth of a degree, else its three numbers."""
    for name, axis in UPS.items():
        if np.dot(up, axis) > 1 - 1e-8:
            return name
    return f"({', '.join(f'{x:.3f}' for x in up)})"


def turn_up(up: np.ndarray) -> np.ndarray:
    """[3, 3] the smallest rotation that takes ``up`` [3] to +z (Rodrigues); exact for the six axes."""
    up = np.asarray(up, np.float64) / np.linalg.norm(up)
    x, y, z = np.cross(up, [0.0, 0.0, 1.0])
    if up[2] < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + up[2])


def offset_of(points: np.ndarray) -> np.ndarray:
    """[3] whole units to take off points [P, 3] before they are cast to float32; zero where the origin is near."""
    low, middle, high = np.percentile(points, [1, 50, 99], axis=0)
    away = np.abs(middle).max()
    return np.round(middle) if away > max(1000.0, FAR * (high - low).max()) else np.zeros(3)
