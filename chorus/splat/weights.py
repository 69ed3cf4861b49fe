"""The rendering weights W of a scene, summed onto feature patches: computed once, stored in half precision, used everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from chorus.cameras import Cameras
from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.splat.rasterize import NEAR, camera_tensors
from chorus.store import atomic_file
from chorus_kernels import PatchWeights, patch_weights

_KEY = "chorus"  # one metadata entry, for equal content must give equal bytes


def scene_weights(scene: GaussianScene, cameras: Cameras, *, rows: int, columns: int, footprint: str = "bilinear") -> PatchWeights:
    """G [N, V * rows * columns] of a scene seen by ``cameras``, on a patch grid of rows x columns a view.

    footprint: how a patch map is thought to be upsampled to the image, "bilinear" or "box".
    """
    scene = scene.detached().to("cpu")
    viewmats, Ks = camera_tensors(cameras)
    return patch_weights(
        scene.means, scene.unit_quats, scene.scales, scene.opacities, viewmats=viewmats, Ks=Ks, width=cameras.width, height=cameras.height,
        patch_rows=rows, patch_cols=columns, footprint=footprint, near_plane=NEAR,
    )  # fmt: skip


def save_weights(path: Path, weights: PatchWeights) -> None:
    """Write weights with half-precision values (relative rounding 5e-4); row and column sums stay in single precision."""
    tensors = {
        "indptr": weights.indptr,
        "indices": weights.indices,
        "values": weights.values.clamp_max(65504.0).half(),
        "total": weights.total,
        "coverage": weights.coverage,
    }
    with atomic_file(Path(path)) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary, metadata={_KEY: json.dumps(list(weights.shape))})


def load_weights(path: Path) -> PatchWeights:
    """Read what :func:`save_weights` wrote. Raises InputError when the file is absent or damaged."""
    try:
        with safe_open(path, framework="pt") as stream:
            shape = tuple(json.loads((stream.metadata() or {})[_KEY]))
            tensors = {name: stream.get_tensor(name) for name in ("indptr", "indices", "values", "total", "coverage")}
        tensors["values"] = tensors["values"].to(torch.float32)
        return PatchWeights(**tensors, shape=shape)
    except (OSError, KeyError, ValueError, TypeError, SafetensorError) as error:
        raise InputError(path, expected="patch weights as safetensors", got=error, fix="Make the targets again.") from error
