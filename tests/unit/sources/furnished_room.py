"""A made-up furnished room of splats: white ceiling, wooden floor, tinted walls, things that stand on the floor."""

from __future__ import annotations

import numpy as np
import torch

from chorus.scene import GaussianScene, scene_from_colors

_UP_FROM_Z = {0: [0.5**0.5, 0, 0.5**0.5, 0], 1: [0.5**0.5, -(0.5**0.5), 0, 0], 2: [1.0, 0, 0, 0]}  # disc normals: x y z


def furnished_room(size: tuple[float, float, float] = (4.5, 3.6, 2.5), seed: int = 0) -> GaussianScene:
    """Metres, z up, floor at 0: walls, floor, ceiling and boxes as flat discs of 4 cm."""
    draw = np.random.default_rng(seed)
    faces = [((0, 0, 0), size, (0.5, 0.35, 0.2), (0.92, 0.92, 0.9))]
    for _ in range(6):
        wide, deep, high = draw.uniform(0.5, 1.4), draw.uniform(0.4, 0.9), draw.uniform(0.4, 0.9)
        x, y = draw.uniform(0.1, size[0] - wide - 0.1), draw.uniform(0.1, size[1] - deep - 0.1)
        color = draw.uniform(0.1, 0.7, 3)
        faces.append(((x, y, 0), (x + wide, y + deep, high), color, color))
    points, colors, quats = [], [], []
    for low, high, bottom, top in faces:
        low, high = np.array(low), np.array(high)
        for axis in range(3):
            others = [a for a in range(3) if a != axis]
            count = int(np.prod((high - low)[others]) * 110)
            for end, level in enumerate((low, high)):
                if axis == 2 and end == 0 and high[2] < size[2]:
                    continue  # the underside of a thing
                face = draw.uniform(low, high, (count, 3))
                face[:, axis] = level[axis]
                points.append(face)
                tint = (bottom, top)[end] if axis == 2 else np.asarray(top) * 0.8
                colors.append(np.asarray(tint) + draw.normal(0, 0.02, (count, 3)))
                quats.append(np.tile(_UP_FROM_Z[axis], (count, 1)))
    means, rgb, turns = (torch.from_numpy(np.concatenate(x)).float() for x in (points, colors, quats))
    scales = torch.tensor([0.04, 0.04, 0.004]).expand(len(means), 3)
    return scene_from_colors(means, turns, scales, torch.full((len(means),), 0.95), rgb.clamp(0, 1))
