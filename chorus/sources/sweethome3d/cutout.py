"""Openings that doors and windows cut: the SVG path of the shape as height intervals along the wall."""

from __future__ import annotations

import re

import numpy as np

from chorus.errors import InputError

_RECTANGLE = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]])


def path_polygon(path: str) -> np.ndarray:
    """[P, 2] outline in the unit square (y downwards) of an SVG path with M L H V C Q A Z; curves in short chords."""
    tokens = re.findall(r"[A-Za-z]|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?", path)
    points: list[np.ndarray] = []
    at, command, i = np.zeros(2), "", 0
    try:
        while i < len(tokens):
            if tokens[i].isalpha():
                command, i = tokens[i], i + 1
            if command in "Zz":
                continue
            count = {"H": 1, "V": 1, "C": 6, "Q": 4, "A": 7}.get(command.upper(), 2)
            values = [float(t) for t in tokens[i : i + count]]
            i += count
            chord = _chord(command, values, at)
            points.extend(chord)
            at = chord[-1]
    except (IndexError, ValueError) as error:
        raise InputError("cutOutShape", expected="an SVG path", got=path[:60]) from error
    return np.array(points) if len(points) >= 3 else _RECTANGLE


def _chord(command: str, v: list[float], at: np.ndarray) -> list[np.ndarray]:
    """Points one path command adds, the last being the new position."""
    base = at if command.islower() else np.zeros(2)
    upper = command.upper()
    if upper == "H":
        return [np.array([v[0] + base[0], at[1]])]
    if upper == "V":
        return [np.array([at[0], v[0] + base[1]])]
    ends = np.array(v[-2:]) + base
    if upper == "A":
        return _arc(at, ends, rx=v[0], ry=v[1], large=v[3] != 0, sweep=v[4] != 0)
    if upper in ("C", "Q"):
        control = [at, *(np.array(v[k : k + 2]) + base for k in range(0, len(v), 2))]
        return [_bezier(control, t) for t in np.linspace(0, 1, 9)[1:]]
    return [ends]


def _bezier(control: list[np.ndarray], t: float) -> np.ndarray:
    while len(control) > 1:
        control = [(1 - t) * a + t * b for a, b in zip(control[:-1], control[1:], strict=True)]
    return control[0]


def _arc(start: np.ndarray, end: np.ndarray, *, rx: float, ry: float, large: bool, sweep: bool) -> list[np.ndarray]:
    """Elliptic arc (unrotated) by its centre: the ellipse is a circle after dividing by the radii."""
    scale = np.array([max(rx, 1e-9), max(ry, 1e-9)])
    a, b = start / scale, end / scale
    half = (b - a) / 2
    distance = float(np.linalg.norm(half))
    radius = max(1.0, distance)
    offset = np.sqrt(max(radius**2 - distance**2, 0.0)) / max(distance, 1e-9)
    normal = np.array([-half[1], half[0]]) * offset
    center = (a + b) / 2 + (normal if large != sweep else -normal)
    t0, t1 = (np.arctan2(*(p - center)[::-1]) for p in (a, b))
    turn = (t1 - t0) % (2 * np.pi) if sweep else -((t0 - t1) % (2 * np.pi))
    angles = t0 + turn * np.linspace(0, 1, 13)[1:]
    return [(center + radius * np.array([np.cos(t), np.sin(t)])) * scale for t in angles]


def slices(path: str) -> list[tuple[float, float, float, float]]:
    """(left, right, low, high) in the unit square, y upwards: one rectangle, or 16 slices of a rounder shape."""
    outline = path_polygon(path)
    on_edge = (np.abs(outline) < 1e-6) | (np.abs(outline - 1) < 1e-6)
    if on_edge.all():
        return [(0.0, 1.0, 0.0, 1.0)]
    found = []
    edges = np.linspace(outline[:, 0].min(), outline[:, 0].max(), 17)
    for left, right in zip(edges[:-1], edges[1:], strict=True):
        heights = _crossings(outline, (left + right) / 2)
        if len(heights) >= 2:
            found.append((float(left), float(right), 1.0 - max(heights), 1.0 - min(heights)))
    return found


def _crossings(outline: np.ndarray, x: float) -> list[float]:
    """y where the vertical line through x meets the outline."""
    heights = []
    for a, b in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if (a[0] > x) != (b[0] > x):
            heights.append(float(a[1] + (b[1] - a[1]) * (x - a[0]) / (b[0] - a[0])))
    return heights
