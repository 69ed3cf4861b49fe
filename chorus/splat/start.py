"""The first Gaussians of a fit: from depth, from points, or from nothing but cameras."""

from __future__ import annotations

import numpy as np

from chorus.capture import Capture
from chorus.errors import InputError
from chorus.splat.seeds import Seeds, join, seeds_at, seeds_of_points, thin

_CANDIDATES = 6  # for every Gaussian wanted
_DETAIL_SHARE = 0.3  # of the Gaussians follow image detail, the rest cover surfaces evenly


def starting_seeds(capture: Capture, train: np.ndarray, count: int, rng: np.random.Generator) -> Seeds:
    """At most about ``count`` seeds from the training views [T] of a capture. Raises InputError when there are none."""
    if capture.depth is not None and (capture.depth[train] > 0).any():
        return _from_depth(capture, capture.depth, train, count, rng)
    if capture.points is not None and len(capture.points):
        return thin(seeds_of_points(capture.points, capture.point_colors, capture.cameras), count, rng)
    return _from_cameras(capture, count, rng)


def _from_depth(capture: Capture, depth: np.ndarray, train: np.ndarray, count: int, rng: np.random.Generator) -> Seeds:
    """Pixels of depth [V, H, W] of all views: most by thinning to one a voxel, the rest where the image has detail."""
    each = int(np.ceil(_CANDIDATES * count / len(train)))
    parts, detail = [], []
    for view in train:
        image = capture.images[view].astype(np.float32) / 255.0
        gradient = _gradient(image)
        rows, columns = np.nonzero(depth[view] > 0)
        if len(rows) == 0:
            continue
        pick = rng.choice(len(rows), min(each, len(rows)), replace=False)
        rows, columns = rows[pick], columns[pick]
        parts.append(seeds_at(rows, columns, image=image, depth=depth[view], cameras=capture.cameras, view=view))
        detail.append(gradient[rows, columns])
    seeds, weight = join(parts), np.concatenate(detail) + 1e-4
    even = thin(seeds, int((1 - _DETAIL_SHARE) * count), rng)
    extra = rng.choice(len(seeds), min(count - len(even), len(seeds)), replace=False, p=weight / weight.sum())
    return join([even, thin(seeds.take(extra), count, rng)])


def _from_cameras(capture: Capture, count: int, rng: np.random.Generator) -> Seeds:
    """Random places that at least three cameras see (two of two), coloured by what they see there on average."""
    cameras = capture.cameras
    reach = max(float(np.ptp(cameras.positions, axis=0).max()), 1e-3)
    points = cameras.positions.mean(axis=0) + rng.uniform(-1.5, 1.5, (20 * count, 3)) * reach
    seen = np.zeros(len(points), int)
    total = np.zeros((len(points), 3))
    for view in range(len(cameras)):
        inside, rows, columns = _project(points, capture, view)
        if capture.mask is not None:
            inside &= capture.mask[view][rows, columns]
        seen += inside
        total[inside] += capture.images[view][rows[inside], columns[inside]] / 255.0
    enough = np.flatnonzero(seen >= min(3, len(cameras)))[:count]
    if len(enough) == 0:
        raise InputError("fit", expected="depth, points, or cameras that look at the same place", got="none of them")
    seeds = seeds_of_points(points[enough], None, cameras)
    return Seeds(seeds.points, total[enough] / seen[enough][:, None], seeds.normals, seeds.footprint)


def _project(points: np.ndarray, capture: Capture, view: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(inside [P] bool, rows [P], columns [P]) of world points in one view."""
    pixels, depth = capture.cameras.project(view, points)
    inside = (
        (depth > 0.1)
        & (pixels >= 0).all(axis=1)
        & (pixels < [capture.cameras.width, capture.cameras.height]).all(axis=1)
    )
    columns, rows = np.where(inside[:, None], pixels, 0).astype(int).T
    return inside, rows, columns


def _gradient(image: np.ndarray) -> np.ndarray:
    """[H, W] magnitude of the colour gradient."""
    down, right = np.gradient(image, axis=(0, 1))
    return np.sqrt((down**2 + right**2).sum(axis=-1))
