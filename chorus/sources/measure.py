"""What the photos themselves say of the poses and the depth they came with: plain numbers, kept in a capture's info."""

from __future__ import annotations

import numpy as np

from chorus.cameras import Cameras
from chorus.sources.triangulate import PairMatches, agreement, compare_depth, largest_parallax


def measured(
    matches: list[PairMatches], cameras: Cameras, *, depth: np.ndarray | None = None, points: np.ndarray | None = None
) -> dict[str, float]:
    """agreement: the share of matches on their epipolar lines; parallax: degrees between the rays of matches, of the
    widest pair; baseline: how far apart the cameras stand, as a share of the distance to the points; depth_ratio: depth
    maps over triangulated depth; depth_ray: 1 where they hold distances along the rays, 0 along the axis. Each is left
    out where nothing tells it."""
    found = {"agreement": agreement(matches), "parallax": largest_parallax(matches, cameras)}
    spread = float(np.linalg.norm(np.ptp(cameras.positions, axis=0)))
    if points is not None and len(points):
        found["baseline"] = spread / max(cameras.distance_to(points), 1e-12)
    elif spread < 1e-9:
        found["baseline"] = 0.0
    if depth is not None and (compared := compare_depth(matches, cameras, depth)) is not None:
        found["depth_ratio"], found["depth_ray"] = compared
    return {name: round(float(value), 4) for name, value in found.items() if value is not None}
