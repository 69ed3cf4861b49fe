"""Scenes of any size to measure the encoder on: a room, drawn or captured, laid side by side until it has enough
Gaussians."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from chorus.encoder.points import scene_of_points
from chorus.errors import InputError
from chorus.incoming import NOTHING_SAID
from chorus.params import CaptureParams
from chorus.scene import GaussianScene
from chorus.sources.rgbd import read_rgbd

ROOM = 100_000  # Gaussians of one room
LIMITS = CaptureParams(
    views=0, width=0, height=0, photo_long_side=0, rgbd_long_side=640, max_views=1000
)  # only the last two are read


def house(count: int, room: GaussianScene, *, pitch: float = 0.3, jitter: float = 0.01) -> GaussianScene:
    """``count`` Gaussians: copies of the room on a square, ``pitch`` m apart, every Gaussian moved by ``jitter`` m (one
    deviation)."""
    copies = -(-count // len(room))
    side = int(copies**0.5 + 0.999)
    draw = torch.Generator().manual_seed(0)
    size = room.means.amax(dim=0) - room.means.amin(dim=0) + pitch
    copy = torch.arange(count) // len(room)
    scene = room.select(torch.arange(count) % len(room))
    offset = torch.stack([copy % side, copy // side, torch.zeros_like(copy)], dim=1) * size
    return replace(scene, means=scene.means + offset + jitter * torch.randn(count, 3, generator=draw))


def captured_room(folder: Path, count: int = ROOM) -> GaussianScene:
    """An RGB-D capture as Gaussians: ``count`` pixels drawn over all frames, unprojected, each a flat Gaussian along
    its surface."""
    capture = read_rgbd(folder, LIMITS, NOTHING_SAID)
    draw = np.random.default_rng(0)
    each = -(-count // len(capture))
    points, colors = [], []
    if capture.depth is None:
        raise InputError(folder, expected="frames with depth", got="none")
    for view, (image, depth) in enumerate(zip(capture.images, capture.depth, strict=True)):
        known = np.argwhere(depth > 0)
        rows, columns = known[draw.choice(len(known), min(each, len(known)), replace=False)].T
        points.append(capture.cameras.unproject(view, depth)[rows, columns])
        colors.append(image[rows, columns])
    points, colors = np.concatenate(points)[:count], np.concatenate(colors)[:count]
    if len(points) < count:
        raise InputError(folder, expected=f"{count} pixels of known depth, {each} a frame", got=len(points))
    return scene_of_points(points, colors)


def drawn_room(count: int = ROOM) -> GaussianScene:
    """A 5 x 4 x 2.6 m room with boxes in it, Gaussians on all surfaces."""
    draw = torch.Generator().manual_seed(1)
    low, high = torch.tensor([0.0, 0, 0]), torch.tensor([5.0, 4.0, 2.6])
    lows = torch.cat([low[None], torch.rand(7, 3, generator=draw) * torch.tensor([4.0, 3.0, 0.0])])
    highs = torch.cat([high[None], lows[1:] + 0.3 + torch.rand(7, 3, generator=draw) * 0.8])
    which = torch.multinomial(torch.tensor([8.0] + [1.0] * 7), count, replacement=True, generator=draw)
    means = lows[which] + torch.rand(count, 3, generator=draw) * (highs - lows)[which]
    axis, side = torch.randint(3, (count,), generator=draw), torch.randint(2, (count,), generator=draw)
    rows = torch.arange(count)
    means[rows, axis] = torch.where(side == 0, lows[which, axis], highs[which, axis])
    return GaussianScene(
        means=means,
        quats=torch.randn(count, 4, generator=draw),
        log_scales=torch.randn(count, 3, generator=draw) * 0.3 - 4.2,
        opacity_logits=torch.randn(count, generator=draw),
        sh=torch.randn(count, 1, 3, generator=draw),
    )
