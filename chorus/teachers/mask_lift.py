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
from chorus.splat.weights import join_views, scene_weights
from chorus.teachers.masks import MaskTargets
from chorus_kernels import PatchWeights


def scene_mask_weights(scene: GaussianScene, cameras: Cameras, targets: MaskTargets) -> PatchWeights:
    """G [N, R] of R masks: column r collects the weight every Gaussian has in mask r's pixels.

    Every pixel of a mask carries the mask's vector, so summing weights first and multiplying once *is* lifting the
    full-resolution map (eq. 3 in ``lift.py``). Pixels without a mask have no target: they are left out of the sums and
    of ``total``. Memory: the result, and one view's weights by pixel at a time.
    """
    height, width = cameras.height, cameras.width
    if targets.labels.shape != (len(cameras), height, width):
        raise InputError(
            "mask targets", expected=f"labels of shape {[len(cameras), height, width]}", got=list(targets.labels.shape)
        )
    parts, starts = [], targets.starts.tolist()
    for view, labels in enumerate(targets.labels):
        pixels = scene_weights(scene, cameras.select([view]), rows=height, columns=width, footprint="box")
        parts.append(_sum_to_masks(pixels, labels - starts[view], starts[view + 1] - starts[view]))
    return join_views(parts)


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
