"""Directions and units by name, and the turns that bring a file's up to z."""

from __future__ import annotations

import numpy as np

from chorus.errors import InputError
from chorus.frames import UNITS, Frame

UPS = {
    "x": (1.0, 0.0, 0.0),
    "-x": (-1.0, 0.0, 0.0),
    "y": (0.0, 1.0, 0.0),
    "-y": (0.0, -1.0, 0.0),
    "z": (0.0, 0.0, 1.0),
    "-z": (0.0, 0.0, -1.0),
}
ROUGH, TOO_ROUGH = 1e-3, 0.02  # shares of a scene: steps of its coordinates to be told of, and to be refused
DOUBLES = "Export positions as doubles, or less their offset."
FAR = 200.0  # times its extent a scene lies from the origin: float32 then keeps five digits of its inside at most


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


def is_own(frame: Frame) -> bool:
    """Whether a scene's coordinates are the numbers of its file."""
    return frame.scale == 1.0 and not any(frame.offset) and np.array_equal(frame.rotation, np.eye(3))


def axis_name(up: np.ndarray) -> str:
    """The axis a direction lies along, within a hundredth of a degree, else its three numbers."""
    for name, axis in UPS.items():
        if np.dot(up, axis) > 1 - 1e-8:
            return name
    return f"({', '.join(f'{x:.3f}' for x in up)})"


def said(frame: Frame) -> str:
    """One line: which way of the file is up, what its unit is, where it was centred, and how each is known."""
    parts = [frame.says(), f"up is {axis_name(np.asarray(frame.rotation)[2])} of the file"]
    if frame.unit == "m" and frame.scale != 1.0:
        parts.append(f"one unit of it is {frame.scale:.4g} m")
    if any(frame.offset):
        parts.append(f"centred on {', '.join(f'{x:.10g}' for x in frame.offset)}")
    return "; ".join(parts)


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


def coarseness(points: np.ndarray) -> float:
    """The step between neighbouring numbers that points [P, 3] were written with, as a share of what they span: large
    where single floats hold a place far from their origin."""
    points = np.asarray(points, np.float64)
    single = points.astype(np.float32)
    low, high = np.percentile(points, [1, 99], axis=0)
    steps = np.where((points == single).all(axis=0), np.spacing(np.abs(single).max(axis=0)), 0.0)
    return float(steps.max() / max((high - low).max(), 1e-30)) if (high > low).any() else 0.0
