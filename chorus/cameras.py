"""Pinhole cameras with OpenCV axes (x right, y down, z forward), pixel centres at +0.5."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from chorus.errors import InputError

# OpenGL looks along -z with y up; OpenCV looks along +z with y down.
_OPENCV_FROM_OPENGL = np.diag([1.0, -1.0, -1.0, 1.0])
_NEAR = 1e-6  # metres; nearer points are projected as if they lay there


@dataclass(frozen=True, kw_only=True)
class Cameras:
    """V pinhole cameras of one image size.

    K: [V, 3, 3] intrinsics in pixels; cam_from_world: [V, 4, 4] rigid transforms, metres.
    """

    K: np.ndarray  # [V, 3, 3]
    cam_from_world: np.ndarray  # [V, 4, 4]
    width: int
    height: int

    def __post_init__(self):
        K = np.asarray(self.K, np.float64)
        pose = np.asarray(self.cam_from_world, np.float64)
        views = len(K)
        if K.shape != (views, 3, 3) or pose.shape != (views, 4, 4):
            raise InputError(
                "cameras", expected="K [V,3,3] and cam_from_world [V,4,4]", got=f"{K.shape} and {pose.shape}"
            )
        if not (np.isfinite(K).all() and np.isfinite(pose).all()):
            raise InputError(
                "cameras",
                expected="finite K and cam_from_world",
                got="NaN or infinity",
                fix="Drop the views without a pose.",
            )
        if views and (np.linalg.det(pose[:, :3, :3]) <= 0).any():
            raise InputError(
                "cameras", expected="right-handed poses", got="a determinant of -1", fix="Negate one axis."
            )
        if self.width < 1 or self.height < 1:
            raise InputError("cameras", expected="a positive image size", got=f"{self.width}x{self.height}")
        object.__setattr__(self, "K", K)
        object.__setattr__(self, "cam_from_world", pose)

    def __len__(self) -> int:
        return len(self.K)

    def __repr__(self) -> str:
        """One line: how many, the size of their images, how wide they see, the box they stand in."""
        parts = [f"{len(self)} views of {self.width} x {self.height}"]
        if len(self):
            across = np.degrees(2 * np.arctan(self.width / (2 * self.K[:, 0, 0])))
            low, high = np.round([across.min(), across.max()]).astype(int)
            parts.append(f"{low if low == high else f'{low} to {high}'} degrees across")
            parts.append(f"standing in {' x '.join(f'{side:.2f}' for side in np.ptp(self.positions, axis=0))}")
        return f"Cameras({'; '.join(parts)})"

    @property
    def world_from_cam(self) -> np.ndarray:
        """[V, 4, 4] camera-to-world."""
        return np.linalg.inv(self.cam_from_world)

    @property
    def positions(self) -> np.ndarray:
        """[V, 3] optical centres in the world, metres."""
        return self.world_from_cam[:, :3, 3]

    def distance_to(self, points: np.ndarray) -> float:
        """The median distance from the middle of the cameras to points [P, 3], some 2,000 of them looked at."""
        near = points[:: -(-len(points) // 2000)]
        return float(np.median(np.linalg.norm(near - np.median(self.positions, axis=0), axis=1)))

    def to_world(self, view: int, points: np.ndarray) -> np.ndarray:
        """[..., 3] points [..., 3] of one camera's frame, in the world; metres."""
        pose = np.linalg.inv(self.cam_from_world[view])
        return points @ pose[:3, :3].T + pose[:3, 3]

    def to_camera(self, view: int, points: np.ndarray) -> np.ndarray:
        """[..., 3] world points [..., 3] in one camera's frame, metres."""
        pose = self.cam_from_world[view]
        return points @ pose[:3, :3].T + pose[:3, 3]

    def unproject(self, view: int, depth: np.ndarray, *, stride: int = 1) -> np.ndarray:
        """[H', W', 3] world points of a depth map [H, W] m, every ``stride``-th pixel; pixels of depth 0 (unknown) land
        on the camera."""
        rows, columns = np.mgrid[0 : depth.shape[0] : stride, 0 : depth.shape[1] : stride]
        rays = pixel_rays(self.K[view], np.stack([columns, rows], axis=-1) + 0.5)
        return self.to_world(view, rays * depth[::stride, ::stride, None])

    def project(self, view: int, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(image points [..., 2], depth [...] m) of world points [..., 3]. An image point says nothing where the depth
        is not positive."""
        local = self.to_camera(view, points)
        return image_points(self.K[view], local), local[..., 2]

    def select(self, views) -> Cameras:
        """The cameras of an index array, boolean mask or slice."""
        return Cameras(K=self.K[views], cam_from_world=self.cam_from_world[views], width=self.width, height=self.height)

    def resized(self, width: int, height: int) -> Cameras:
        """The same views sampled on another pixel grid (K scales with the image; pixel edges stay aligned)."""
        K = self.K.copy()
        K[:, 0] *= width / self.width
        K[:, 1] *= height / self.height
        return Cameras(K=K, cam_from_world=self.cam_from_world, width=width, height=height)

    def moved(self, new_from_old: np.ndarray) -> Cameras:
        """The same cameras in another world frame; new_from_old: [4, 4] rigid."""
        return Cameras(
            K=self.K,
            cam_from_world=self.cam_from_world @ np.linalg.inv(new_from_old),
            width=self.width,
            height=self.height,
        )


def pixel_rays(K: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """[..., 3] camera-frame directions of unit depth through image points [..., 2] (columns, rows); K: [3, 3]."""
    homogeneous = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1)
    return homogeneous @ np.linalg.inv(K).T


def image_points(K: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[..., 2] image points (columns, rows) of camera-frame points [..., 3]; those behind the camera land far
    outside."""
    return (points @ K.T)[..., :2] / np.maximum(points[..., 2:], _NEAR)


def from_opengl(world_from_cam: np.ndarray) -> np.ndarray:
    """[..., 4, 4] OpenGL camera-to-world (nerfstudio, instant-ngp) to [..., 4, 4] OpenCV cam_from_world."""
    return np.linalg.inv(np.asarray(world_from_cam, np.float64) @ _OPENCV_FROM_OPENGL)


def to_opengl(cam_from_world: np.ndarray) -> np.ndarray:
    """[..., 4, 4] OpenCV cam_from_world to [..., 4, 4] OpenGL camera-to-world."""
    return np.linalg.inv(np.asarray(cam_from_world, np.float64)) @ _OPENCV_FROM_OPENGL


def look_at(eye: np.ndarray, target: np.ndarray, up: tuple[float, float, float] = (0.0, 0.0, 1.0)) -> np.ndarray:
    """[4, 4] cam_from_world of a camera at ``eye`` [3] looking at ``target`` [3] with ``up`` upwards in the image."""
    eye, target = np.asarray(eye, np.float64), np.asarray(target, np.float64)
    forward = target - eye
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, np.asarray(up, np.float64))
    if np.linalg.norm(right) < 1e-6:  # looking straight along `up`: any horizontal axis will do
        right = np.cross(forward, [0.0, 1.0, 0.0])
    right = right / np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])  # rows: camera axes in the world
    pose = np.eye(4)
    pose[:3, :3] = rotation
    pose[:3, 3] = -rotation @ eye
    return pose
