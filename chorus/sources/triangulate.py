"""Sparse points from photos whose poses are known: SIFT matches that obey the epipolar line, triangulated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from chorus.cameras import Cameras, pixel_rays

_NEIGHBORS = 6  # views each view is matched with
_MIN_ANGLE, _MAX_ANGLE = np.radians(1.5), np.radians(50.0)  # between the two rays of a point
_MAX_EPIPOLAR = 1.5  # pixels
_MAX_REPROJECTION = 1.5  # pixels, in both views
_RATIO = 0.85  # nearest over second-nearest descriptor distance; loose, for the epipolar test follows
_AGREE = 3.0  # pixels from the epipolar line within which a match agrees with the poses
_APART = 0.05  # of the logarithms of two rays' lengths, from which they tell how depth is measured
_FEW, _MANY = 12, 60  # matches of a pair, and of all pairs together, below which they say nothing


@dataclass(frozen=True)
class PairMatches:
    """What two views have in common, right or wrong."""

    a: int
    b: int
    pixels_a: np.ndarray  # [M, 2]
    pixels_b: np.ndarray  # [M, 2]
    distance: np.ndarray  # [M] pixels in b from the epipolar line of the given poses

    def within(self, pixels: float) -> PairMatches:
        keep = self.distance < pixels
        return PairMatches(self.a, self.b, self.pixels_a[keep], self.pixels_b[keep], self.distance[keep])

    def parallax(self, cameras: Cameras) -> float:
        """Degrees between the two rays of a match that agrees with the poses, the median."""
        near = self.within(_AGREE)
        rays = [
            pixel_rays(cameras.K[v], pixels) @ cameras.cam_from_world[v, :3, :3]
            for v, pixels in ((self.a, near.pixels_a), (self.b, near.pixels_b))
        ]
        across = np.linalg.norm(np.cross(rays[0], rays[1]), axis=1)
        return float(np.degrees(np.median(np.arctan2(across, (rays[0] * rays[1]).sum(axis=1)))))


def match_views(images: np.ndarray, cameras: Cameras, mask: np.ndarray | None = None) -> list[PairMatches]:
    """Mutual nearest RootSIFT features of nearby views of images [V, H, W, 3]; those on pixels that ``mask`` [V, H, W]
    leaves out take no part."""
    sift = cv2.SIFT.create(nfeatures=4000, contrastThreshold=0.01)
    features = [_detect(sift, image, None if mask is None else mask[view]) for view, image in enumerate(images)]
    found = []
    for a, b in _pairs(cameras):
        pixels_a, pixels_b = _match(features[a], features[b])
        found.append(PairMatches(a, b, pixels_a, pixels_b, _epipolar_distance(cameras, a, b, pixels_a, pixels_b)))
    return found


def agreement(matches: list[PairMatches]) -> float | None:
    """The share of matches that obey the epipolar lines of the given poses; None where too few match at all."""
    distance = np.concatenate([pair.distance for pair in matches]) if matches else np.zeros(0)
    return float((distance < _AGREE).mean()) if len(distance) >= _MANY else None


def largest_parallax(matches: list[PairMatches], cameras: Cameras) -> float | None:
    """Degrees: the largest median parallax of a pair of views; None where none has enough matches."""
    found = [pair.parallax(cameras) for pair in matches if (pair.distance < _AGREE).sum() >= _FEW]
    return max(found, default=None)


def compare_depth(matches: list[PairMatches], cameras: Cameras, depth: np.ndarray) -> tuple[float, float] | None:
    """How many times as deep as triangulated matches the depth maps [V, H, W] are, the median; and with which power of
    the ray's length a unit ahead they are deeper towards the edges: 0 along the optical axis, 1 along the rays. None
    where nothing can be compared."""
    ratios, rays = [], []
    for pair in matches:
        points, good, pixels = _triangulated(cameras, pair)
        if not good.any():
            continue
        columns, rows = pixels[good].astype(int).T
        seen = cameras.to_camera(pair.a, points[good])
        known = depth[pair.a, rows, columns]
        ratios.append((known / seen[:, 2])[known > 0])
        rays.append((np.linalg.norm(seen, axis=1) / seen[:, 2])[known > 0])
    ratios, rays = (np.concatenate(parts) if parts else np.zeros(0) for parts in (ratios, rays))
    return (float(np.median(ratios)), _power(rays, ratios)) if len(ratios) >= _FEW else None


def _power(rays: np.ndarray, ratios: np.ndarray) -> float:
    """The slope of log(ratios) [M] over log(rays) [M], the median of pairs far apart (Theil and Sen); 0 where too few
    are."""
    order = np.argsort(rays, kind="stable")
    third = len(rays) // 3
    near, far = order[:third], order[len(rays) - third :]
    x, y = (np.log(values[far] / values[near]) for values in (rays, ratios))
    apart = x > _APART
    return float(np.median(y[apart] / x[apart])) if apart.sum() >= _MANY else 0.0


def triangulate(
    matches: list[PairMatches], images: np.ndarray, cameras: Cameras
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Points [P, 3] and colours [P, 3] uint8 of images [V, H, W, 3]; (None, None) when too little matches."""
    points, colors = [], []
    for pair in matches:
        found, good, pixels = _triangulated(cameras, pair)
        points.append(found[good])
        columns, rows = pixels[good].astype(int).T
        colors.append(images[pair.a][rows, columns])
    points = np.concatenate(points) if points else np.zeros((0, 3))
    if len(points) < 50:
        return None, None
    keep = _supported(points, cameras)
    return points[keep], np.concatenate(colors)[keep]


def close_matches(matches: list[PairMatches], *, max_distance: float) -> Iterator[PairMatches]:
    """The matches within ``max_distance`` pixels of the epipolar line."""
    return (pair.within(max_distance) for pair in matches)


def _triangulated(cameras: Cameras, pair: PairMatches) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points [M, 3], [M] whether both views agree with them, their pixels [M, 2] in the first view."""
    near = pair.within(_MAX_EPIPOLAR)
    points, good = _triangulate_pair(cameras, pair.a, pair.b, near.pixels_a, near.pixels_b)
    return points, good, near.pixels_a


def _detect(sift: cv2.SIFT, image: np.ndarray, mask: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Pixel positions [M, 2] (centres at +0.5) and RootSIFT descriptors [M, 128] (Arandjelovic and Zisserman 2012)."""
    allowed = None if mask is None else mask.astype(np.uint8) * 255
    keypoints, descriptors = sift.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), allowed)  # type: ignore[arg-type]
    if descriptors is None:
        return np.zeros((0, 2)), np.zeros((0, 128), np.float32)
    descriptors = np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-6))
    return np.array([keypoint.pt for keypoint in keypoints]) + 0.5, descriptors


def _pairs(cameras: Cameras) -> list[tuple[int, int]]:
    """Each view with the views nearest to it in position and viewing direction, each pair once."""
    position, forward = cameras.positions, cameras.cam_from_world[:, 2, :3]
    distance = np.linalg.norm(position[:, None] - position[None], axis=-1)
    turned = forward @ forward.T < np.cos(np.radians(60.0))
    distance = np.round(distance / max(float(distance.max()), 1e-12), 6)  # or rounding would choose among equals
    cost = np.where(turned, np.inf, distance) + np.diag(np.full(len(cameras), np.inf))
    pairs = set()
    for a, row in enumerate(cost):
        order = [int(b) for b in np.argsort(row, kind="stable") if np.isfinite(row[b])]
        chosen = (
            order[: 3 * _NEIGHBORS : 3] + order[:1]
        )  # every third neighbour: a wider baseline for the same number of pairs
        pairs |= {(min(a, b), max(a, b)) for b in chosen}
    return sorted(pairs)


def _match(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [M, 2] and [M, 2] of mutual nearest neighbours that pass the ratio test."""
    if len(a[0]) < 2 or len(b[0]) < 2:
        return np.zeros((0, 2)), np.zeros((0, 2))
    similarity = a[1] @ b[1].T  # [Ma, Mb]
    best = similarity.argmax(axis=1)
    rows = np.arange(len(best))
    top = similarity[rows, best]
    similarity[rows, best] = -1.0
    second = similarity.max(axis=1)
    similarity[rows, best] = top
    mutual = similarity.argmax(axis=0)[best] == rows
    distinct = 2 - 2 * top < _RATIO**2 * (2 - 2 * second)
    keep = mutual & distinct
    return a[0][keep], b[0][best[keep]]


def _epipolar_distance(cameras: Cameras, a: int, b: int, pixels_a: np.ndarray, pixels_b: np.ndarray) -> np.ndarray:
    """[M] pixels between each match in b and the epipolar line of its match in a (Hartley and Zisserman, 9.2)."""
    b_from_a = cameras.cam_from_world[b] @ np.linalg.inv(cameras.cam_from_world[a])
    x, y, z = b_from_a[:3, 3]
    essential = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]) @ b_from_a[:3, :3]
    fundamental = np.linalg.inv(cameras.K[b]).T @ essential @ np.linalg.inv(cameras.K[a])
    lines = _homogeneous(pixels_a) @ fundamental.T
    return np.abs((lines * _homogeneous(pixels_b)).sum(axis=1)) / np.maximum(
        np.linalg.norm(lines[:, :2], axis=1), 1e-12
    )


def _triangulate_pair(
    cameras: Cameras, a: int, b: int, pixels_a: np.ndarray, pixels_b: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Points [M, 3] by the linear method (Hartley and Zisserman, 12.2) and [M] whether both views agree with them."""
    if len(pixels_a) == 0:
        return np.zeros((0, 3)), np.zeros(0, bool)
    from_a, from_b = (cameras.K[v] @ cameras.cam_from_world[v][:3] for v in (a, b))
    homogeneous = cv2.triangulatePoints(from_a, from_b, pixels_a.T.copy(), pixels_b.T.copy())
    points = (homogeneous[:3] / np.where(np.abs(homogeneous[3]) < 1e-12, 1e-12, homogeneous[3])).T
    good = np.isfinite(points).all(axis=1)
    for view, pixels in ((a, pixels_a), (b, pixels_b)):
        seen, depth = cameras.project(view, points)
        good &= (depth > 0) & (np.linalg.norm(seen - pixels, axis=1) < _MAX_REPROJECTION)
    rays = [points - cameras.positions[v] for v in (a, b)]
    cosine = (rays[0] * rays[1]).sum(axis=1) / np.maximum(
        np.linalg.norm(rays[0], axis=1) * np.linalg.norm(rays[1], axis=1), 1e-12
    )
    return points, good & (cosine < np.cos(_MIN_ANGLE)) & (cosine > np.cos(_MAX_ANGLE))


def _supported(points: np.ndarray, cameras: Cameras) -> np.ndarray:
    """[P] bool: points with company, by the distance to their 8th neighbour beside the distance to the nearest
    camera."""
    spacing = np.asarray(cKDTree(points).query(points, k=min(9, len(points)))[0])[:, -1]
    reach = cKDTree(cameras.positions).query(points)[0]
    relative = spacing / np.maximum(reach, 1e-9)
    return relative < max(0.1, 3.0 * float(np.median(relative)))


def _homogeneous(values: np.ndarray) -> np.ndarray:
    return np.concatenate([values, np.ones((len(values), 1))], axis=1)
