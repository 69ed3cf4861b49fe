"""Where a scene stands: which way is up, how long a unit is, where its file had its origin - and how each is known."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from chorus.errors import InputError

Known = Literal["given", "file", "estimated", "assumed", "kept"]
Unit = Literal["m", "unknown"]
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}  # metres
_IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
_WORDS = {
    "given": "as given",
    "file": "as the file says",
    "estimated": "estimated",
    "assumed": "assumed",
    "kept": "kept as it is",
}


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The world a scene is held in, z up, and the way back to its file: x_file = offset + rotation^T x / scale.

    Given: said by the user; file: by the file or its data set's convention; estimated: from what is seen; assumed:
    taken without evidence; kept: the file's own axes, whichever way they point.
    """

    up: Known = "file"
    unit: Unit = "m"
    unit_known: Known = "file"
    unit_error: float | None = None  # relative standard deviation of an estimated unit
    scale: float = 1.0  # our length of one length of the file
    rotation: tuple[tuple[float, float, float], ...] = _IDENTITY  # [3, 3] ours from the file's axes
    offset: tuple[float, float, float] = (0.0, 0.0, 0.0)  # the file's point that lies at our origin

    @property
    def label(self) -> str:
        """Of lengths: m, or units where the length of one is not known."""
        return "m" if self.unit == "m" else "units"

    def to_file(self, points: np.ndarray) -> np.ndarray:
        """[..., 3] float64, in the file's frame, of points [..., 3] in ours."""
        return np.asarray(points, np.float64) @ np.asarray(self.rotation) / self.scale + np.asarray(self.offset)

    def from_file(self, points: np.ndarray) -> np.ndarray:
        """[..., 3] float64, in our frame, of points [..., 3] in the file's."""
        return self.scale * (np.asarray(points, np.float64) - np.asarray(self.offset)) @ np.asarray(self.rotation).T

    def moved(self, rotation: np.ndarray, *, scale: float = 1.0, shift: np.ndarray) -> Frame:
        """This frame after x -> scale * rotation x + shift (rotation [3, 3], shift [3])."""
        total = rotation @ np.asarray(self.rotation)
        origin = self.to_file(-rotation.T @ shift / scale)
        return replace(
            self,
            scale=float(self.scale * scale),
            rotation=tuple(map(tuple, total.tolist())),
            offset=tuple(origin.tolist()),
        )

    def upright(self) -> Frame:
        """Of Gaussians fitted to what is in this frame: their file is upright already, in the same unit."""
        return Frame(up=self.up, unit=self.unit, unit_known=self.unit_known, unit_error=self.unit_error)

    def says(self) -> str:
        """One line: up, unit, and how both are known."""
        error = f" within {self.unit_error:.0%}" if self.unit_error else ""
        unit = f"lengths in m, {_WORDS[self.unit_known]}{error}" if self.unit == "m" else "scale unknown"
        up = "the file's axes kept" if self.up == "kept" else f"z up, {_WORDS[self.up]}"
        return f"{up}; {unit}"

    def size(self, points: np.ndarray) -> str:
        """The sides of the box around points [P, 3], in words: "4.10 x 3.00 x 2.50 m"."""
        sides = np.ptp(points, axis=0) if len(points) else np.zeros(3)
        return f"{' x '.join(f'{side:.2f}' for side in sides)} {self.label}"

    def to_json(self) -> dict:
        """Plain JSON, doubles exact."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {**values, "rotation": [list(row) for row in self.rotation], "offset": list(self.offset)}

    @classmethod
    def from_json(cls, content: dict, *, where: object = "frame") -> Frame:
        """Raises InputError where the content is not that of :meth:`to_json`."""
        try:
            values = {**content, "rotation": tuple(map(tuple, content["rotation"])), "offset": tuple(content["offset"])}
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise InputError(where, expected="up, unit, scale, rotation and offset", got=error) from error
