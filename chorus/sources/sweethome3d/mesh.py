"""Triangle soup with materials and labels: what assembling makes and ray casting reads."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from chorus.sources.sweethome3d.rows import cross, length, rows_of


@dataclass(frozen=True, kw_only=True)
class Material:
    """Surface colour: flat, or a texture multiplied by ``color``."""

    color: tuple[float, float, float] = (0.7, 0.7, 0.7)  # sRGB in 0..1
    texture: np.ndarray | None = None  # [h, w, 3] uint8 sRGB, row 0 at v = 1, repeating
    name: str = ""
    glow: float = 0.0  # > 0: shines by itself (lamp shades, window panes), as a share of white


@dataclass(frozen=True, kw_only=True)
class Soup:
    """T triangles. Any frame; the room's is metres, z up, floor of the room at z = 0."""

    corners: np.ndarray  # [T, 3, 3] float32
    normals: np.ndarray  # [T, 3, 3] float32, per corner
    uv: np.ndarray  # [T, 3, 2] float32
    material: np.ndarray  # [T] int32, index into materials
    materials: tuple[Material, ...]
    semantic: np.ndarray  # [T] uint8 class id
    instance: np.ndarray  # [T] uint16, 0 where none

    def __len__(self) -> int:
        return len(self.corners)


def quads(corners: np.ndarray) -> np.ndarray:
    """[2Q, 3, 3] triangles of [Q, 4, 3] quads."""
    corners = np.asarray(corners, np.float64).reshape(-1, 4, 3)
    return corners[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3, 3)


def face_normals(corners: np.ndarray) -> np.ndarray:
    """[T, 3] unit normals (zero for degenerate triangles) of [T, 3, 3] corners."""
    rows = rows_of(corners.reshape(-1, 9))
    n = cross(rows[3:6] - rows[:3], rows[6:] - rows[:3])
    return (n / np.maximum(length(n), 1e-20)).T


@dataclass
class SoupBuilder:
    """Collects parts and hands back one Soup."""

    parts: list[tuple] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)

    def add(self, corners, *, uv, material: Material, semantic: int, instance: int = 0, normals=None) -> None:
        """Triangles [T, 3, 3] of one material; flat normals unless given."""
        indices = np.zeros(len(corners), np.int32)
        self.add_many(
            corners,
            uv=uv,
            material=indices,
            materials=(material,),
            semantic=semantic,
            instance=instance,
            normals=normals,
        )

    def add_many(self, corners, *, uv, material, materials, semantic, instance, normals=None) -> None:
        """Triangles [T, 3, 3] with an index [T] into ``materials``."""
        if len(corners) == 0:
            return
        corners = np.asarray(corners, np.float32)
        if normals is None:
            normals = np.repeat(face_normals(corners)[:, None], 3, axis=1)
        shape = len(corners)
        self.parts.append(
            (
                corners,
                np.asarray(normals, np.float32),
                np.asarray(uv, np.float32),
                np.asarray(material, np.int32) + len(self.materials),
                np.full(shape, semantic, np.uint8),
                np.full(shape, instance, np.uint16),
            )
        )
        self.materials.extend(materials)

    def build(self) -> Soup:
        """Everything added so far."""
        if not self.parts:
            zero = np.zeros((0, 3, 3), np.float32)
            return Soup(
                corners=zero,
                normals=zero,
                uv=zero[..., :2],
                material=np.zeros(0, np.int32),
                materials=(),
                semantic=np.zeros(0, np.uint8),
                instance=np.zeros(0, np.uint16),
            )
        corners, normals, uv, material, semantic, instance = (np.concatenate(a) for a in zip(*self.parts, strict=True))
        return Soup(
            corners=corners,
            normals=normals,
            uv=uv,
            material=material,
            materials=tuple(self.materials),
            semantic=semantic,
            instance=instance,
        )
