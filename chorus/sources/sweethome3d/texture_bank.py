"""All textures of a scene in one array with their mip levels, looked up for many points at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chorus.sources.sweethome3d.mesh import Soup

LINEAR = np.where(
    np.arange(256) / 255 <= 0.04045, np.arange(256) / 255 / 12.92, ((np.arange(256) / 255 + 0.055) / 1.055) ** 2.4
).astype(np.float32)
_LEVELS = 9


@dataclass(frozen=True, kw_only=True)
class TextureBank:
    """M materials; texel rows of every mip level one after the other."""

    texels: np.ndarray  # [X, 3] float32 linear
    first: np.ndarray  # [M, levels] int64 first texel
    width: np.ndarray  # [M, levels] int32
    height: np.ndarray  # [M, levels] int32
    glow: np.ndarray  # [M] float32
    mean: np.ndarray  # [M, 3] float32 mean linear colour
    density: np.ndarray  # [T] float32 texels a metre on every triangle

    def color(self, material: np.ndarray, uv: np.ndarray, level: np.ndarray) -> np.ndarray:
        """[R, 3] linear colour, bilinear on the nearest mip level; uv repeats."""
        level = np.clip(np.rint(level + 0.2), 0, _LEVELS - 1).astype(np.int64)
        w, h, first = self.width[material, level], self.height[material, level], self.first[material, level]
        x, y = uv[:, 0] * w - 0.5, (1.0 - uv[:, 1]) * h - 0.5
        x0, y0 = np.floor(x), np.floor(y)
        fx, fy = (x - x0)[:, None].astype(np.float32), (y - y0)[:, None].astype(np.float32)
        x0, y0 = x0.astype(np.int64), y0.astype(np.int64)
        xa, xb, ya, yb = x0 % w, (x0 + 1) % w, first + y0 % h * w, first + (y0 + 1) % h * w
        t = self.texels
        return (t[ya + xa] * (1 - fx) + t[ya + xb] * fx) * (1 - fy) + (t[yb + xa] * (1 - fx) + t[yb + xb] * fx) * fy


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
    texels = np.concatenate(texels).astype(np.float32)
    return TextureBank(
        texels=texels,
        first=first,
        width=width,
        height=height,
        mean=texels[first[:, -1]],
        glow=np.array([m.glow for m in soup.materials], np.float32),
        density=_density(soup, width[:, 0], height[:, 0]),
    )


def _mips(material) -> list[np.ndarray]:
    """Linear mip levels down to one texel; a plain colour is one texel."""
    tint = LINEAR[np.clip(np.rint(np.asarray(material.color) * 255), 0, 255).astype(int)]
    if material.texture is None:
        return [tint.reshape(1, 1, 3)]
    levels = [LINEAR[material.texture] * tint]
    while max(levels[-1].shape[:2]) > 1 and len(levels) < _LEVELS:
        levels.append(_halve(levels[-1]))
    while levels[-1].shape[:2] != (1, 1):
        levels[-1] = levels[-1].mean((0, 1), keepdims=True)
    return levels


def _halve(image: np.ndarray) -> np.ndarray:
    for axis in (0, 1):
        size = image.shape[axis]
        if size > 1:
            image = np.take(image, np.arange(size // 2 * 2), axis=axis)
            shape = [*image.shape]
            shape[axis : axis + 1] = [size // 2, 2]
            image = image.reshape(shape).mean(axis + 1)
    return image


def _density(soup: Soup, width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """[T] texels a metre: the square root of the triangle's area in texels over its area in the world."""
    edges = soup.corners[:, 1:] - soup.corners[:, :1]
    area = np.linalg.norm(np.cross(edges[:, 0], edges[:, 1]), axis=1)
    flat = soup.uv[:, 1:] - soup.uv[:, :1]
    in_uv = np.abs(flat[:, 0, 0] * flat[:, 1, 1] - flat[:, 0, 1] * flat[:, 1, 0])
    texels = in_uv * width[soup.material] * height[soup.material]
    return np.sqrt(texels / np.maximum(area, 1e-12)).astype(np.float32)
