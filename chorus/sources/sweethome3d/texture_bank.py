"""All textures of a scene in one array with their mip levels, looked up for many points at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chorus.sources.sweethome3d.mesh import Soup
from chorus.sources.sweethome3d.rows import cross, length, rows_of, take

LINEAR = np.where(
    np.arange(256) / 255 <= 0.04045, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)
_LEVELS = 9


@dataclass(frozen=True, kw_only=True)
class TextureBank:
    """M materials; texel rows of every mip level one after the other."""

    texels: np.ndarray  # [3, X] float32 linear
    first: np.ndarray  # [M, levels] int64 first texel
    width: np.ndarray  # [M, levels] int32
    height: np.ndarray  # [M, levels] int32
    glow: np.ndarray  # [M] float32
    mean: np.ndarray  # [M, 3] float32 mean linear colour
    density: np.ndarray  # [T] float32 texels a metre on every triangle

    def color(self, material: np.ndarray, uv: np.ndarray, level: np.ndarray) -> np.ndarray:
        """[3, R] linear colour at uv [2, R], bilinear on the nearest mip level; uv repeats."""
        level = np.clip(np.rint(level + 0.2), 0, _LEVELS - 1).astype(np.int64)
        at = material.astype(np.int64) * _LEVELS + level
        w, h, first = (table.ravel().take(at) for table in (self.width, self.height, self.first))
        x, y = uv[0] * w - 0.5, (1.0 - uv[1]) * h - 0.5
        x0, y0 = np.floor(x), np.floor(y)
        fx, fy = (x - x0).astype(np.float32), (y - y0).astype(np.float32)
        xa, ya = x0.astype(np.int64) % w, y0.astype(np.int64) % h
        xb, yb = (np.where(i + 1 == n, 0, i + 1) for i, n in ((xa, w), (ya, h)))
        ya, yb = first + ya * w, first + yb * w
        aa, ab, ba, bb = (take(self.texels, row + column) for row in (ya, yb) for column in (xa, xb))
        return (aa * (1 - fx) + ab * fx) * (1 - fy) + (ba * (1 - fx) + bb * fx) * fy


def texture_bank(soup: Soup) -> TextureBank:
    """The bank of a scene's materials; a texture shared by several materials is stored once."""
    texels, shared, count = [], {}, 0
    first, width, height = (np.zeros((len(soup.materials), _LEVELS), np.int64) for _ in range(3))
    for i, m in enumerate(soup.materials):
        key = (id(m.texture), m.color)
        if key not in shared:
            rows = []
            for level in _mips(m):
                rows.append((count, level.shape[1], level.shape[0]))
                texels.append(level.reshape(-1, 3))
                count += level.shape[0] * level.shape[1]
            shared[key] = rows
        rows = shared[key] + [shared[key][-1]] * (_LEVELS - len(shared[key]))
        first[i], width[i], height[i] = np.array(rows[:_LEVELS]).T
    texels = rows_of(np.concatenate(texels).astype(np.float32, copy=False))
    return TextureBank(
        texels=texels,
        first=first,
        width=width,
        height=height,
        mean=texels[:, first[:, -1]].T,
        glow=np.array([m.glow for m in soup.materials], np.float32),
        density=_density(soup, width[:, 0], height[:, 0]),
    )


def _mips(material) -> list[np.ndarray]:
    """Linear mip levels down to one texel; a plain colour is one texel."""
    tint = LINEAR[np.clip(np.rint(np.asarray(material.color) * 255), 0, 255).astype(int)]
    if material.texture is None:
        return [tint.reshape(1, 1, 3)]
    levels = [LINEAR.take(material.texture) * tint]
    while max(levels[-1].shape[:2]) > 1 and len(levels) < _LEVELS:
        levels.append(_halve(levels[-1]))
    while levels[-1].shape[:2] != (1, 1):
        levels[-1] = levels[-1].mean((0, 1), keepdims=True)
    return levels


def _halve(image: np.ndarray) -> np.ndarray:
    """[h / 2, w / 2, 3] means of 2 x 2 texels; a side of one texel stays."""
    if image.shape[0] > 1:
        even = image.shape[0] // 2 * 2
        image = (image[0:even:2] + image[1:even:2]) / 2
    if image.shape[1] > 1:
        even = image.shape[1] // 2 * 2
        image = (image[:, 0:even:2] + image[:, 1:even:2]) / 2
    return image


def _density(soup: Soup, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """[T] texels a metre: the square root of the triangle's area in texels over its area in the world."""
    corners, uv = rows_of(soup.corners.reshape(-1, 9)), rows_of(soup.uv.reshape(-1, 6))
    area = length(cross(corners[3:6] - corners[:3], corners[6:] - corners[:3]))
    a, b = uv[2:4] - uv[:2], uv[4:] - uv[:2]
    texels = np.abs(a[0] * b[1] - a[1] * b[0]) * (width * height).take(soup.material)
    return np.sqrt(texels / np.maximum(area, 1e-12)).astype(np.float32)
