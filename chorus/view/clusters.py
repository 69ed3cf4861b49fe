"""Connected groups of labelled places: how a cloud of selected Gaussians becomes objects.

Written on the project's own voxel op and numpy: importing scipy would cost half a second at every ``chorus query``.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from chorus_kernels import neighbors

SPACING_SAMPLE = 5000
_AXIS = 2**20  # cells an axis; places further out share the last ones
_SOME = 2**18  # pairs of places measured to learn how far apart they lie
_BLOCK = 1024  # places whose neighbours are measured at once


def components(positions: np.ndarray, labels: np.ndarray, *, cell: float, least: int) -> np.ndarray:
    """[N] group of each place, numbered by first row, -1 for none.

    positions: [N, 3] m; labels: [N] int, negative = in no group. Places of one label in the same or a touching voxel of
    ``cell`` metres belong together; groups of fewer than ``least`` places are dropped.
    """
    group = np.full(len(positions), -1)
    rows = np.flatnonzero(labels >= 0)
    if len(rows) == 0:
        return group
    if len(rows) < len(positions):
        positions, labels = positions[rows], labels[rows]
    voxels, voxel = _distinct(positions, labels, cell=cell)
    table = neighbors(torch.from_numpy(voxels[:, :3].copy()), torch.from_numpy(voxels[:, 3].copy()))
    part = _connected(table.numpy())[voxel]  # [rows]
    parts, first, inverse, size = np.unique(part, return_index=True, return_inverse=True, return_counts=True)
    kept = np.argsort(first)
    kept = kept[size[kept] >= least]
    number = np.full(len(parts), -1)
    number[kept] = np.arange(len(kept))
    group[rows] = number[inverse.reshape(-1)]
    return group


def _distinct(positions: np.ndarray, labels: np.ndarray, *, cell: float) -> tuple[np.ndarray, np.ndarray]:
    """Every pair of a cell and a label that occurs, once and in order [M, 4], and which of them each row has [R].

    A pair is one number where the scene is not too wide for that: sorted in a fraction of the time and the memory.
    """
    low = np.floor(positions.min(axis=0) / cell)
    sizes = [*(np.floor(positions.max(axis=0) / cell) - low + 1).astype(int).tolist(), int(labels.max()) + 1]

    def along(axis: int) -> np.ndarray:
        return (np.floor(positions[:, axis] / cell) - low[axis]).astype(np.int64)

    if math.prod(sizes) < 2**63:
        code = along(0)
        for axis in (1, 2):
            code = code * sizes[axis] + along(axis)
        kept, place = np.unique(code * sizes[3] + labels, return_inverse=True)
        return np.stack(np.unravel_index(kept, sizes), axis=1), place
    keys = np.stack([*map(along, range(3)), labels], axis=1)
    kept, place = np.unique(keys, axis=0, return_inverse=True)
    return kept, place.reshape(-1)


def _connected(table: np.ndarray) -> np.ndarray:
    """[M] the lowest row of each voxel's connected group. table: [27, M] neighbours, -1 for none."""
    own = np.arange(table.shape[1], dtype=table.dtype)
    table = np.where(table < 0, own, table)
    name = own
    while True:
        lower = name[table].min(0)
        lower = lower[lower]  # names spread twice as far each round
        if (lower == name).all():
            return name
        np.minimum.at(lower, name, lower.copy())  # the row a group is named after learns what its members know
        name = lower


def spacing(positions: np.ndarray, *, neighbor: int = 4) -> float:
    """The median distance of a place to its fourth neighbour, in the units of the positions [N, 3]."""
    step = max(1, len(positions) // SPACING_SAMPLE)
    count = min(neighbor + 1, len(positions))
    return float(max(np.median(_kth_distance(positions, positions[::step], count)), 1e-6))


def _kth_distance(places: np.ndarray, queries: np.ndarray, count: int) -> np.ndarray:
    """[Q] distance of each of the queries [Q, 3] to the ``count``-th nearest of the places [N, 3], itself counted.

    Exact: places are sorted into cells, and where a query's cell and those around it do not settle the answer, it is
    asked again with cells twice as large.
    """
    few = queries[:: 1 + len(queries) * len(places) // _SOME]
    reach = [np.partition(((places - one) ** 2).sum(1), count - 1)[count - 1] for one in few]
    low, cell = np.median(places, axis=0), max(float(np.sqrt(np.median(reach))), 1e-9)  # settles half of them at once
    found, todo = np.zeros(len(queries)), np.arange(len(queries))
    while len(todo):
        cells = np.clip(np.floor((places - low) / cell) + _AXIS // 2, 1, _AXIS - 2).astype(np.int64)
        code = (cells[:, 0] * _AXIS + cells[:, 1]) * _AXIS + cells[:, 2]
        order = np.argsort(code)
        blocks = np.split(todo, range(_BLOCK, len(todo), _BLOCK))
        distance = np.concatenate([_within(queries[at], places[order], code[order], low, cell, count) for at in blocks])
        settled = distance <= cell
        found[todo[settled]] = distance[settled]
        todo, cell = todo[~settled], 2.0 * cell
    return found


def _within(queries, places: np.ndarray, code: np.ndarray, low: np.ndarray, cell: float, count: int) -> np.ndarray:
    """[Q] distance to the ``count``-th nearest place in the 27 cells around; infinite where they hold fewer."""
    x, y, z = np.clip(np.floor((queries - low) / cell) + _AXIS // 2, 1, _AXIS - 2).astype(np.int64).T[..., None]
    dx, dy = np.meshgrid((-1, 0, 1), (-1, 0, 1))
    column = ((x + dx.ravel()) * _AXIS + y + dy.ravel()) * _AXIS + z  # [Q, 9]; cells above each other follow in code
    begin, end = np.searchsorted(code, column - 1), np.searchsorted(code, column + 1, side="right")
    sizes = (end - begin).ravel()
    rows = np.arange(sizes.sum()) + np.repeat(begin.ravel() - np.cumsum(sizes) + sizes, sizes)
    held = (end - begin).sum(1)  # [Q] places around each query
    asker = np.repeat(np.arange(len(queries)), held)
    distance = np.linalg.norm(places[rows] - queries[asker], axis=1)
    distance = distance[np.lexsort((distance, asker))]
    at = np.cumsum(held) - held + count - 1
    return np.where(held >= count, np.append(distance, np.inf)[np.minimum(at, len(distance))], np.inf)
