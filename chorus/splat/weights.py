"""The rendering weights W of a scene, summed onto columns of the views - feature patches, masks: made once for a use,
in parts where they are many."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from scipy.sparse import csr_matrix, hstack

from chorus.cameras import Cameras
from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus.splat.rasterize import views_of
from chorus.store import atomic_file
from chorus_kernels import PatchWeights, patch_weights

_SHAPES = "shapes"  # one metadata entry, for equal content must give equal bytes
_PARTS = ("indptr", "indices", "values", "total", "coverage")
_SHORT = 1 << 16  # columns that 16 bits can number
_AT_ONCE = 8_000_000  # Gaussians times views of one part: about 250 MB of weights


def scene_weights(
    scene: GaussianScene, cameras: Cameras, *, rows: int, columns: int, footprint: str = "bilinear"
) -> PatchWeights:
    """G [N, V * rows * columns] of a scene seen by ``cameras``, on a patch grid of rows x columns a view; made where
    the scene is.

    footprint: how a patch map is thought to be upsampled to the image, "bilinear" or "box".
    """
    scene = scene.detached()
    return patch_weights(
        scene.means,
        scene.unit_quats,
        scene.scales,
        scene.opacities,
        views_of(cameras, scene.means.device),
        patch_rows=rows,
        patch_cols=columns,
        footprint=footprint,
    )


def view_parts(gaussians: int, views: int, *, at_once: int = _AT_ONCE) -> list[slice]:
    """Runs of views whose weights fit in memory together: their number times the Gaussians is at most ``at_once``."""
    step = max(1, at_once // max(1, gaussians))
    return [slice(start, min(start + step, views)) for start in range(0, views, step)]


def join_views(parts: list[PatchWeights]) -> PatchWeights:
    """Weights of one scene on the columns of several runs of views -> on all of them, side by side."""
    if len(parts) == 1:
        return parts[0]
    device, host = parts[0].values.device, [p.to("cpu") for p in parts]
    whole = hstack(
        [csr_matrix((p.values.numpy(), p.indices.numpy(), p.indptr.numpy()), shape=p.shape) for p in host], format="csr"
    )
    return PatchWeights(
        torch.from_numpy(whole.indptr).long().to(device),
        torch.from_numpy(whole.indices).int().to(device),
        torch.from_numpy(whole.data).to(device),
        torch.stack([p.total for p in parts]).sum(dim=0),
        torch.cat([p.coverage for p in parts]),
        shape=whole.shape,
    )


def without_columns(weights: PatchWeights, left_out: torch.Tensor) -> PatchWeights:
    """The same weights where the columns of a mask [columns] are empty: what lies there tells nothing of a Gaussian."""
    if not bool(left_out.any()):
        return weights
    gone = left_out[weights.indices.long()]
    rows = torch.repeat_interleave(torch.arange(weights.shape[0]), weights.indptr.diff())
    lost = torch.zeros(weights.shape[0]).index_add_(0, rows[gone], weights.values[gone])
    kept = torch.zeros(weights.shape[0], dtype=torch.int64).index_add_(0, rows[~gone], torch.ones_like(rows[~gone]))
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), kept.cumsum(0)]).to(weights.indptr.dtype)
    return PatchWeights(
        indptr,
        weights.indices[~gone],
        weights.values[~gone],
        (weights.total - lost).clamp_min(0.0),
        torch.where(left_out, 0.0, weights.coverage),
        shape=weights.shape,
    )


def stored_bytes(weights: PatchWeights) -> int:
    """What :func:`save_weights` needs for this one."""
    entry = 2 + (2 if weights.shape[1] <= _SHORT else 4)
    return entry * len(weights.values) + 8 * len(weights.indptr) + 4 * sum(weights.shape)


def save_weights(path: Path, weights: dict[str, PatchWeights]) -> None:
    """Write weights by name: values in half precision (relative rounding 5e-4), columns in 16 bits where they fit; row
    and column sums exact."""
    tensors = {f"{name}.{part}": tensor for name, matrix in weights.items() for part, tensor in _stored(matrix).items()}
    shapes = {name: list(matrix.shape) for name, matrix in weights.items()}
    with atomic_file(Path(path)) as temporary:
        save_file(tensors, temporary, metadata={_SHAPES: json.dumps(shapes, sort_keys=True)})


def load_weights(path: Path, name: str) -> PatchWeights:
    """Read one of what :func:`save_weights` wrote. Raises InputError when the file is absent or damaged, or does not
    hold it."""
    try:
        with safe_open(path, framework="pt") as stream:
            shape = tuple(json.loads((stream.metadata() or {})[_SHAPES])[name])
            tensors = {part: stream.get_tensor(f"{name}.{part}") for part in _PARTS}
        tensors |= {"indices": tensors["indices"].to(torch.int32), "values": tensors["values"].float()}
        return PatchWeights(**tensors, shape=shape)
    except (OSError, KeyError, ValueError, TypeError, SafetensorError) as error:
        raise InputError(
            path, expected=f"the weights '{name}' as safetensors", got=error, fix="Make the targets again."
        ) from error


def stored_names(path: Path) -> tuple[str, ...]:
    """Which weights a file holds; none where it is absent. Raises InputError when it is damaged."""
    if not Path(path).exists():
        return ()
    try:
        with safe_open(path, framework="pt") as stream:
            return tuple(json.loads((stream.metadata() or {})[_SHAPES]))
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise InputError(path, expected="weights as safetensors", got=error, fix="Make the targets again.") from error


def _stored(weights: PatchWeights) -> dict[str, torch.Tensor]:
    tensors = {
        "indptr": weights.indptr,
        "indices": weights.indices.to(torch.uint16 if weights.shape[1] <= _SHORT else torch.int32),
        "values": weights.values.clamp_max(65504.0).half(),
        "total": weights.total,
        "coverage": weights.coverage,
    }
    return {name: tensor.contiguous() for name, tensor in tensors.items()}
