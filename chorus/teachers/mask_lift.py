"""Lifting in mask space: the rendering weights summed to masks, one column each, in the same matrix the patch maps use."""

from __future__ import annotations

import torch
from torch import Tensor

from chorus.cameras import Cameras
from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.splat.weights import scene_weights
from chorus.teachers.masks import MaskTargets
from chorus_kernels import PatchWeights


def scene_mask_weights(scene: GaussianScene, cameras: Cameras, targets: MaskTargets) -> PatchWeights:
    """G [N, R] of R masks: column r collects the weight every Gaussian has in mask r's pixels.

    Every pixel of a mask carries the mask's vector, so summing weights first and multiplying once *is* lifting the full-resolution
    map (METHOD, eq. 3). Pixels without a mask have no target: they are left out of the sums and of ``total``. Memory: one view's weights
    by pixel at a time.
    """
    height, width = cameras.height, cameras.width
    if targets.labels.shape != (len(cameras), height, width):
        raise InputError("mask targets", expected=f"labels of shape {[len(cameras), height, width]}", got=list(targets.labels.shape))
    parts = []
    for view in range(len(cameras)):
        pixels = scene_weights(scene, cameras.select([view]), rows=height, columns=width, footprint="box")
        parts.append(_sum_to_masks(pixels, targets.labels[view]))
    keys, values = torch.cat([k for k, _ in parts]), torch.cat([v for _, v in parts])
    return _matrix(keys, values, len(scene), len(targets.vectors))


def _sum_to_masks(pixels: PatchWeights, labels: Tensor) -> tuple[Tensor, Tensor]:
    """One view's weights [N, H*W] and its labels [H, W] (row plus one, 0 none) -> keys gaussian << 32 | row and their summed weights."""
    gaussian = torch.repeat_interleave(torch.arange(pixels.shape[0]), pixels.indptr.diff())
    label = labels.reshape(-1)[pixels.indices.long()].long()
    covered = label > 0
    keys, index = torch.unique((gaussian[covered] << 32) | (label[covered] - 1), return_inverse=True)
    return keys, torch.zeros(len(keys), dtype=torch.float64).index_add_(0, index, pixels.values[covered].double())


def _matrix(keys: Tensor, values: Tensor, gaussians: int, masks: int) -> PatchWeights:
    """CSR from distinct keys; views own disjoint rows of vectors, so no key comes twice."""
    order = keys.argsort()
    keys, values = keys[order], values[order]
    gaussian, mask = keys >> 32, keys & 0xFFFFFFFF
    indptr = torch.zeros(gaussians + 1, dtype=torch.int64)
    indptr[1:] = torch.bincount(gaussian, minlength=gaussians).cumsum(0)
    total = torch.zeros(gaussians, dtype=torch.float64).index_add_(0, gaussian, values).float()
    coverage = torch.zeros(masks, dtype=torch.float64).index_add_(0, mask, values).float()
    return PatchWeights(indptr, mask.int(), values.float(), total, coverage, shape=(gaussians, masks))
