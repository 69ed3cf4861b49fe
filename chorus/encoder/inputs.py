"""From Gaussians to what the encoder reads: one row per voxel.

splats (11): colour 2c - 1, opacity, unit quaternion wxyz, scale in metres; position enters through the grid only. With
``upright``
             also (15) the height above the lowest Gaussian and the unit normal, as points have them: a quaternion says
             little of where a flat Gaussian faces (its spin and sign are free), and the grid nothing of the floor.
points  (9): position (xy centred, z from the floor), colour 2c - 1, normal.

A voxel's row is the mean of its Gaussians weighted by opacity (``voxel="mean"``), or the first of them in an order that
depends on their content only (``"first"``, as released models were trained with one Gaussian a voxel).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from chorus.encoder.curves import MAX_DEPTH
from chorus.errors import InputError
from chorus.scene import GaussianScene
from chorus_kernels import curve_codes, segment_reduce

CHANNELS = {"splats": 11, "points": 9}
UPRIGHT = 4  # height and normal
TOO_WIDE = 1000.0  # metres: no room, no building


@dataclass(frozen=True, kw_only=True)
class InputConfig:
    """How a scene becomes rows; part of every checkpoint."""

    variant: str = "splats"  # splats | points
    grid_size: float = 0.02  # metres
    voxel: str = "mean"  # mean | first
    upright: bool = False  # splats of scenes whose z is up: also height and normal. Released models have neither

    def __post_init__(self):
        if self.variant not in CHANNELS or self.voxel not in ("mean", "first") or not self.grid_size > 0:
            raise InputError(
                "encoder inputs", expected="variant splats | points, voxel mean | first, grid_size > 0 m", got=self
            )
        if self.upright and self.variant != "splats":
            raise InputError(
                "encoder inputs", expected="upright for splats alone: points always have height and normal", got=self
            )

    @property
    def channels(self) -> int:
        """Numbers a row."""
        return CHANNELS[self.variant] + UPRIGHT * self.upright

    @property
    def columns(self) -> dict[str, slice]:
        """Where a row holds what a scene may lack: color, opacity, normal; those this variant reads."""
        if self.variant == "points":
            return {"color": slice(3, 6), "normal": slice(6, 9)}
        found = {"color": slice(0, 3), "opacity": slice(3, 4)}
        return found | ({"normal": slice(12, 15)} if self.upright else {})


@dataclass(frozen=True)
class Voxels:
    """M occupied voxels of a scene of N Gaussians."""

    grid: Tensor  # [M, 3] int32
    feat: Tensor  # [M, C] float32
    index: Tensor  # [N] int64 voxel of each Gaussian

    def __len__(self) -> int:
        return len(self.grid)


def voxelize(scene: GaussianScene, config: InputConfig, *, normals: Tensor | None = None) -> Voxels:
    """One row per occupied voxel, sorted along the z-order curve; the same bits for any order of the Gaussians.

    normals: [N, 3], estimated by :func:`splat_normals` when None; splats that are not upright have no use for them.
    Raises InputError for an empty scene, NaN, normals of another shape, or an extent no grid of this size can hold;
    warns where metres look like millimetres.
    """
    check_scene(scene, config.grid_size)
    if normals is not None and (tuple(normals.shape) != (len(scene), 3) or not bool(torch.isfinite(normals).all())):
        raise InputError("encoder", expected=f"finite normals [{len(scene)}, 3]", got=list(normals.shape))
    cells = torch.div(scene.means - scene.means.amin(dim=0), config.grid_size, rounding_mode="floor").int()
    codes = curve_codes(cells, cells.new_zeros(len(cells)), "z", max(1, int(cells.max()).bit_length()))
    order = _content_key(scene).argsort(stable=True)  # Gaussians of equal key are equal, so their order does not matter
    order = order[codes[order].argsort(stable=True)]
    _, runs, counts = torch.unique_consecutive(codes[order], return_inverse=True, return_counts=True)
    indptr = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    index = torch.empty_like(order)
    index[order] = runs
    # What is computed below is computed in sorted order: vectorised exp and sigmoid round by position in memory.
    scene = scene.select(order)
    if config.variant == "splats" and not config.upright:
        features = splat_features(scene)
    else:
        make = point_features if config.variant == "points" else splat_features
        features = make(scene, splat_normals(scene) if normals is None else normals[order])
    grid = cells[order[indptr[:-1]]]
    if config.voxel == "first":
        return Voxels(grid, features[indptr[:-1]], index)
    weight = scene.opacities[:, None].clamp_min(1e-4)
    sums = segment_reduce(torch.cat([features * weight, weight], dim=1), indptr, "sum")
    return Voxels(grid, _unit(sums[:, :-1] / sums[:, -1:], config), index)


def splat_features(scene: GaussianScene, normals: Tensor | None = None) -> Tensor:
    """[N, 11], or [N, 15] with height and normal when normals [N, 3] are given."""
    columns = [scene.rgb * 2 - 1, scene.opacities[:, None], scene.unit_quats, scene.scales]
    if normals is not None:
        columns += [scene.means[:, 2:] - scene.means[:, 2].amin(), normals]
    return torch.cat(columns, dim=1)


def point_features(scene: GaussianScene, normals: Tensor) -> Tensor:
    """[N, 9]"""
    low, high = scene.means.amin(dim=0), scene.means.amax(dim=0)
    origin = torch.stack([(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]])
    return torch.cat([scene.means - origin, scene.rgb * 2 - 1, normals], dim=1)


def splat_normals(scene: GaussianScene) -> Tensor:
    """[N, 3] unit normals: the shortest axis of each Gaussian, turned towards the middle of the scene's bounding box.

    Right for what surrounds the viewer of a room (walls, floor, ceiling) and for the near side of furniture; a guess
    elsewhere.
    """
    axis = scene.log_scales.argmin(dim=1)
    rotation = rotation_matrices(scene.unit_quats)
    normals = rotation.gather(2, axis[:, None, None].expand(-1, 3, 1))[..., 0]
    middle = (scene.means.amin(dim=0) + scene.means.amax(dim=0)) / 2
    away = ((middle - scene.means) * normals).sum(dim=1) < 0
    return torch.where(away[:, None], -normals, normals)


def rotation_matrices(quats: Tensor) -> Tensor:
    """[N, 4] unit wxyz -> [N, 3, 3], columns the rotated axes."""
    w, x, y, z = quats.unbind(dim=1)
    rows = [
        1 - 2 * (y * y + z * z),
        2 * (x * y - w * z),
        2 * (x * z + w * y),
        2 * (x * y + w * z),
        1 - 2 * (x * x + z * z),
        2 * (y * z - w * x),
        2 * (x * z - w * y),
        2 * (y * z + w * x),
        1 - 2 * (x * x + y * y),
    ]
    return torch.stack(rows, dim=1).view(-1, 3, 3)


def check_scene(scene: GaussianScene, grid_size: float) -> None:
    """Raise InputError for what cannot be encoded; warn about what is probably in another unit."""
    scene.validate("encoder")
    extent = (scene.means.amax(dim=0) - scene.means.amin(dim=0)).tolist()
    size = " x ".join(f"{x:.1f}" for x in extent)
    fits = max(extent) / grid_size < 2**MAX_DEPTH - 2
    if (
        fits and float(scene.scales.amax(dim=1).median()) >= 1.0
    ):  # whatever the extent: a desk in millimetres is not a kilometre wide
        warnings.warn(
            f"the scene measures {size} m and its Gaussians over a metre: are its units millimetres? Divide by 1000.",
            stacklevel=3,
        )
        return
    if fits and max(extent) <= TOO_WIDE:
        return
    raise InputError(
        "encoder",
        expected=f"a scene within {TOO_WIDE:.0f} m at a grid of {grid_size} m",
        got=f"an extent of {size} m",
        fix="Drop stray Gaussians, convert the units to metres, or encode it in parts.",
    )


def _unit(rows: Tensor, config: InputConfig) -> Tensor:
    """Means of unit vectors are shorter than 1: restore quaternions (columns 4:8) and normals (the last three)."""
    parts = [slice(4, 8)] if config.variant == "splats" else []
    parts += [slice(-3, None)] if config.variant == "points" or config.upright else []
    for part in parts:
        rows[:, part] = torch.nn.functional.normalize(rows[:, part], dim=1)
    return rows


def _content_key(scene: GaussianScene) -> Tensor:
    """[N] int64: a hash of each Gaussian's bits, equal only for equal Gaussians (but for one chance in 2^64 a pair)."""
    columns = torch.cat(
        [scene.means, scene.quats, scene.log_scales, scene.opacity_logits[:, None], scene.sh[:, 0]], dim=1
    )
    bits = (columns.float().contiguous() + 0.0).view(torch.int32).long()
    key = torch.zeros(len(bits), dtype=torch.int64, device=bits.device)
    for column in bits.unbind(dim=1):
        key = (key ^ column) * 0x2545F4914F6CDD1D
        key = key ^ (key >> 29)
    return key
