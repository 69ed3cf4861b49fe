"""Connected groups of labelled places: how a cloud of selected Gaussians becomes objects."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

SPACING_SAMPLE = 5000


def components(positions: np.ndarray, labels: np.ndarray, *, cell: float, least: int) -> np.ndarray:
    """[N] group of each place, numbered by first row, -1 for none.

    positions: [N, 3] m; labels: [N] int, negative = in no group. Places of one label in the same or a touching voxel of
    ``cell`` metres belong together; groups of fewer than ``least`` places are dropped.
    """
    group = np.full(len(positions), -1)
    rows = np.flatnonzero(labels >= 0)
    if len(rows) == 0:
        return group
    keys = np.concatenate([np.floor(positions[rows] / cell), labels[rows, None]], axis=1).astype(np.int64)
    voxels, voxel = np.unique(keys, axis=0, return_inverse=True)
    voxel = voxel.reshape(-1)
    pairs = cKDTree(voxels[:, :3]).query_pairs(1.0, p=np.inf, output_type="ndarray")
    pairs = pairs[voxels[pairs[:, 0], 3] == voxels[pairs[:, 1], 3]]
    graph = coo_matrix((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(len(voxels), len(voxels)))
    part = connected_components(graph, directed=False)[1][voxel]  # [rows]
    parts, first, size = np.unique(part, return_index=True, return_counts=True)
    kept = parts[np.argsort(first)]
    kept = kept[size[kept] >= least]
    number = np.full(len(parts), -1)
    number[kept] = np.arange(len(kept))
    group[rows] = number[part]
    return group


def spacing(positions: np.ndarray, *, neighbor: int = 4) -> float:
    """The median distance of a place to its fourth neighbour, in the units of the positions [N, 3]."""
    step = max(1, len(positions) // SPACING_SAMPLE)
    count = min(neighbor + 1, len(positions))
    distance, _ = cKDTree(positions).query(positions[::step], k=count)
    return float(max(np.median(np.reshape(distance, (-1, count))[:, -1]), 1e-6))
