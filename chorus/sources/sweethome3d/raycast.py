"""Rays against a triangle soup, by embree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chorus.extras import extra

FAR = 1e6


@dataclass(frozen=True, kw_only=True)
class Hits:
    """R rays: triangle [R] int32 (-1: none), distance [R] in lengths of the direction, barycentric u and v [R]."""

    triangle: np.ndarray
    distance: np.ndarray
    u: np.ndarray
    v: np.ndarray


class Tracer:
    """A static scene of T triangles [T, 3, 3]."""

    def __init__(self, corners: np.ndarray):
        with extra("homes"):
            from embreex.mesh_construction import TriangleMesh
            from embreex.rtcore_scene import EmbreeScene
        self._scene = EmbreeScene()
        self._mesh = TriangleMesh(self._scene, np.ascontiguousarray(corners, np.float32))
        self.empty = len(corners) == 0

    def first(self, origins: np.ndarray, directions: np.ndarray) -> Hits:
        """The nearest hit of every ray; origins and directions [R, 3]."""
        rays = len(origins)
        if self.empty or rays == 0:
            zero = np.zeros(rays, np.float32)
            return Hits(triangle=np.full(rays, -1, np.int32), distance=np.full(rays, FAR, np.float32), u=zero, v=zero)
        found = self._scene.run(
            np.ascontiguousarray(origins, np.float32), np.ascontiguousarray(directions, np.float32), output=1
        )
        triangle = found["primID"].astype(np.int32)
        distance = np.where(triangle >= 0, found["tfar"], FAR).astype(np.float32)
        return Hits(triangle=triangle, distance=distance, u=found["u"], v=found["v"])

    def blocked(self, origins: np.ndarray, directions: np.ndarray, *, reach) -> np.ndarray:
        """[R] bool: something lies within ``reach`` (scalar or [R], in lengths of the direction)."""
        rays = len(origins)
        if self.empty or rays == 0:
            return np.zeros(rays, bool)
        limit = np.broadcast_to(np.asarray(reach, np.float32), rays).copy()
        origins, directions = np.ascontiguousarray(origins, np.float32), np.ascontiguousarray(directions, np.float32)
        return self._scene.run(origins, directions, limit, query="OCCLUDED") == 0
