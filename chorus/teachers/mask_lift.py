"""Lifting in mask space: the rendering weights summed to masks, one column each, in the same matrix the patch maps
use."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from chorus.cameras import Cameras
from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.splat.rasterize import render_features
from chorus.splat.weights import join_views, scene_weights
from chorus.teachers.masks import MaskTargets
from chorus_kernels import PatchWeights

_AT_ONCE = 64  # masks whose weights are read from one backward pass


def scene_mask_weights(scene: GaussianScene, cameras: Cameras, targets: MaskTargets) -> PatchWeights:
    """G [N, R] of R masks: column r collects the weight every Gaussian has in mask r's pixels.

    Every pixel of a mask carries the mask's vector, so summing weights first and multiplying once *is* lifting the
    full-resolution map (eq. 3 in ``lift.py``). Pixels without a mask have no target: they are left out of the sums and
    of ``total``. On the CPU pixels are weighed and summed; elsewhere the sums are read from the rasteriser's backward.
    Memory: the result, and one view's weights by pixel (or by mask, densely) at a time.
    """
    height, width = cameras.height, cameras.width
    if targets.labels.shape != (len(cameras), height, width):
        raise InputError(
            "mask targets", expected=f"labels of shape {[len(cameras), height, width]}", got=list(targets.labels.shape)
        )
    parts, starts, device = [], targets.starts.tolist(), scene.means.device
    for view, labels in enumerate(targets.labels):
        if device.type != "cpu":
            masks, count = (labels - starts[view]).to(device), starts[view + 1] - starts[view]
            parts.append(_by_backward(scene.detached(), cameras.select([view]), masks, count))
            continue
        pixels = scene_weights(scene, cameras.select([view]), rows=height, columns=width, footprint="box")
        parts.append(_sum_to_masks(pixels, labels - starts[view], starts[view + 1] - starts[view]))
    return join_views(parts)


def _by_backward(scene: GaussianScene, camera: Cameras, labels: Tensor, count: int) -> PatchWeights:
    """One view's weights on masks [H, W] (mask plus one, 0 or less where none). An image of features X is W X, so the
    gradient of zero features under the masks M is W^T M: G itself."""
    dense = []
    for first in range(0, count, _AT_ONCE):
        masks = torch.arange(first + 1, min(first + _AT_ONCE, count) + 1, device=labels.device)
        zero = scene.means.new_zeros(len(scene), len(masks), requires_grad=True)
        with torch.enable_grad():
            image = render_features(scene, zero, camera)
        dense += torch.autograd.grad(image, zero, (labels[..., None] == masks).float()[None])
    return _sparse(torch.cat(dense, dim=1) if dense else scene.means.new_zeros(len(scene), 0))


def _sparse(dense: Tensor) -> PatchWeights:
    """Weights [N, R] without their zeros."""
    rows, columns = dense.nonzero(as_tuple=True)
    counts = (dense != 0).sum(dim=1)
    indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    total, coverage = (dense.sum(dim=axis, dtype=torch.float64).float() for axis in (1, 0))
    shape = len(dense), dense.shape[1]
    return PatchWeights(indptr, columns.int(), dense[rows, columns], total, coverage, shape=shape)


def _sum_to_masks(pixels: PatchWeights, labels: Tensor, count: int) -> PatchWeights:
    """One view's weights [N, H*W] and its labels [H, W] (mask plus one, 0 or less where none) -> weights [N, count],
    summed in double precision."""
    label = labels.reshape(-1).numpy()
    inside = label > 0
    member = csr_matrix(
        (np.ones(inside.sum()), label[inside] - 1, np.concatenate([[0], inside.cumsum()])), shape=(len(label), count)
    )
    sums = (
        csr_matrix((pixels.values.double().numpy(), pixels.indices.numpy(), pixels.indptr.numpy()), shape=pixels.shape)
        @ member
    )
    sums.sort_indices()
    total, coverage = (torch.from_numpy(np.asarray(sums.sum(axis=axis)).reshape(-1)).float() for axis in (1, 0))
    indptr, indices, values = (torch.from_numpy(array) for array in (sums.indptr, sums.indices, sums.data))
    return PatchWeights(indptr.long(), indices.int(), values.float(), total, coverage, shape=sums.shape)
