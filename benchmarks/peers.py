"""What the kernels are compared with: the best plain torch and numpy versions that we could write."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from chorus.teachers.row_codec import from_haar
from chorus_kernels import Views, reference


def tile_loop(
    means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor, colors: Tensor, view: Views, *, tile: int
) -> tuple[Tensor, Tensor, Tensor]:
    """A rasteriser as a loop over square tiles in torch, with autograd: colours, depths and alphas of one
    view."""
    width, height = view.width, view.height
    mean2d, covariance, depth = reference.project(means, quats, scales, view)
    with torch.no_grad():
        reach = torch.sqrt(2 * torch.log(opacities.clamp(min=1 / 255) * 255))
        half = torch.ceil(reach[:, None] * torch.diagonal(covariance, dim1=1, dim2=2).sqrt())
        order = torch.argsort(depth)
        order = order[(depth[order] > 0.01) & (opacities[order] >= 1 / 255)]
        low, high = (mean2d - half)[order], (mean2d + half)[order]
    inverse = torch.linalg.inv(covariance)
    rows = []
    for y in range(0, height, tile):
        row = []
        for x in range(0, width, tile):
            w, h = min(tile, width - x), min(tile, height - y)
            inside = (low[:, 0] < x + w) & (high[:, 0] > x) & (low[:, 1] < y + h) & (high[:, 1] > y)
            row.append(_tile(order[inside], x, y, w, h, mean2d, inverse, opacities, colors, depth))
        rows.append(torch.cat(row, 1))
    image = torch.cat(rows, 0)
    return image[..., :-2], image[..., -2], image[..., -1]


def _tile(ids, x, y, w, h, mean2d, inverse, opacities, colors, depth) -> Tensor:
    xs, ys = torch.arange(x, x + w) + 0.5, torch.arange(y, y + h) + 0.5
    dx, dy = xs[None, :] - mean2d[ids, 0, None], ys[None, :] - mean2d[ids, 1, None]
    a, b, c = inverse[ids, 0, 0, None, None], inverse[ids, 0, 1, None, None], inverse[ids, 1, 1, None, None]
    power = 0.5 * (a * dx[:, None, :] ** 2 + c * dy[:, :, None] ** 2) + b * dx[:, None, :] * dy[:, :, None]
    alpha = (opacities[ids, None, None] * torch.exp(-power)).clamp(max=0.999).flatten(1)
    alpha = torch.where(alpha >= 1 / 255, alpha, 0)
    after = torch.cumprod(1 - alpha, 0)
    weight = torch.where(after > 1e-4, alpha * torch.cat([torch.ones_like(after[:1]), after[:-1]]), 0)
    values = torch.cat([colors[ids], depth[ids, None], torch.ones(len(ids), 1)], 1)
    return (weight.T @ values).unflatten(0, (h, w))


def hilbert_numpy(grid: np.ndarray, depth: int) -> np.ndarray:
    """Hilbert codes of [N, 3] by whole-array operations."""
    x = [grid[:, 0].astype(np.int64), grid[:, 1].astype(np.int64), grid[:, 2].astype(np.int64)]
    for b in range(depth - 1, 0, -1):
        lower = (1 << b) - 1
        for i in range(3):
            on = -(x[i] >> b & 1)
            x[0] ^= lower & on
            swap = (x[0] ^ x[i]) & lower & ~on
            x[0] ^= swap
            if i:
                x[i] ^= swap
    code = np.zeros(len(grid), dtype=np.int64)
    for b in range(depth):
        for i in range(3):
            code |= (x[i] >> b & 1) << (3 * b + 2 - i)
    for shift in (1, 2, 4, 8, 16, 32):
        code ^= code >> shift
    return code


def decode_torch(order: Tensor, axes: int, rows: int) -> Callable[[Tensor], Tensor]:
    """The codes of a chunk, a byte each, put in their places by one take, then level by level in torch."""
    level, axis = np.divmod(order.numpy().astype(np.int64), axes)
    first = np.where(level > 0, 1 << np.maximum(level - 1, 0), 0)
    count = np.maximum(first, 1)
    ends = count.cumsum()
    within = np.arange(ends[-1]) - np.repeat(ends - count, count)
    places = (np.repeat(first, count) + within) * axes + np.repeat(axis, count)
    sources = np.empty(rows * axes, np.int64)
    sources[places] = np.arange(rows * axes)

    def decode(data: Tensor) -> Tensor:
        folded = data.numpy()
        codes = ((folded >> 1) ^ -(folded & 1)).view(np.int8)
        taken = np.take(codes, sources, mode="clip").reshape(1, rows, axes)
        return from_haar(torch.from_numpy(taken))[0]

    return decode
