"""Exact factorised lifting: any teacher's targets on Gaussians from one sparse matrix and the small patch maps.

A Gaussian's target is the mean of the pixels it colours, by rendering weight w (after Chorus, arXiv 2512.17817, eq. 3):

    f_i = sum_{p,u} w_i(p,u) F_{p,u} / sum_{p,u} w_i(p,u)

Teachers emit patch maps P and upsampling is linear, F = B P, hence f = D^-1 (W^T B) P = D^-1 G P. G depends on the geometry and the patch
grid only: made once a scene, shared by all teachers of that grid, stored in half precision beside the maps. The same G renders features
back (``chorus_kernels.render_features``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from chorus.errors import InputError
from chorus.params import TargetParams
from chorus.scene import GaussianScene
from chorus.splat.rasterize import NEAR, camera_tensors
from chorus.teachers.base import Role
from chorus.teachers.phi_s import PhiS
from chorus.teachers.views import TeacherViews, load_teacher_views, read_tensor
from chorus_kernels import PatchWeights, lift, patch_weights

WEIGHTS, VALIDITY = "weights.safetensors", "validity.safetensors"


@dataclass(frozen=True, kw_only=True)
class SceneTargets:
    """The lifted targets of one scene of N Gaussians. Reads and multiplies when asked, keeps only what is small."""

    folder: Path
    views: TeacherViews
    phi_s: dict[Role, PhiS] = field(default_factory=dict)  # from the training scenes; empty until fitted
    _weights: dict[tuple[int, int], PatchWeights] = field(default_factory=dict, repr=False)

    @property
    def roles(self) -> tuple[Role, ...]:
        return self.views.roles

    def weights(self, role: Role) -> PatchWeights:
        """G of the role's patch grid."""
        grid = self.views.grid(role)
        if grid not in self._weights:
            self._weights[grid] = _read_weights(self.folder / WEIGHTS, grid)
        return self._weights[grid]

    def maps(self, role: Role) -> Tensor:
        """[V, h, w, C] half: the teacher's patch features."""
        return self.views.maps(role)

    def features(self, role: Role) -> Tensor:
        """[N, C] float32 in the teacher's own space: the weighted mean; zero where not valid."""
        return lifted(self.weights(role), self.maps(role), self.valid(role))

    def standardised(self, role: Role) -> Tensor:
        """[N, C] float32 after PHI-S; zero where not valid. Raises InputError when none was given to :func:`load_targets`."""
        if role not in self.phi_s:
            raise InputError(self.folder, expected=f"a fitted PHI-S for '{role}'", got="none", fix="Pass phi_s to load_targets.")
        return self.phi_s[role].apply(self.features(role)) * self.valid(role)[:, None]

    def valid(self, role: Role) -> Tensor:
        """[N] bool: total rendering weight above the threshold. By weight, never by the size of a feature."""
        return read_tensor(self.folder / VALIDITY, role, fix="Make the targets again.")

    def with_phi_s(self, phi_s: dict[Role, PhiS]) -> SceneTargets:
        return replace(self, phi_s=phi_s)


def make_targets(scene: GaussianScene, views_folder: Path, params: TargetParams, *, out: Path) -> dict:
    """Write weights.safetensors (a G for each distinct patch grid of the teacher views) and validity.safetensors ([N] bool a role) into ``out``.

    Returns counts and :func:`storage`.
    """
    views, out = load_teacher_views(views_folder), Path(out)
    out.mkdir(parents=True, exist_ok=True)
    grids = {role: views.grid(role) for role in views.roles}
    if not grids:
        raise InputError(views_folder, expected="the features of at least one teacher", got="none", fix="Make the teacher views again.")
    matrices = {grid: scene_weights(scene, views, grid) for grid in sorted(set(grids.values()))}
    save_file({name: tensor for grid, matrix in matrices.items() for name, tensor in _stored(matrix, grid).items()}, out / WEIGHTS)
    valid = {role: matrices[grid].total > params.min_weight for role, grid in grids.items()}
    save_file(valid, out / VALIDITY)
    shares = {role: round(float(mask.float().mean()), 5) for role, mask in valid.items()}
    entries = {f"{rows}x{cols}": len(matrix.values) for (rows, cols), matrix in matrices.items()}
    return {"gaussians": len(scene), "valid_share": shares, "entries": entries, "storage": storage(out, views_folder)}


def load_targets(folder: Path, views_folder: Path, *, phi_s: dict[Role, PhiS] | None = None) -> SceneTargets:
    """Targets as :func:`make_targets` wrote them, over the teacher views they were made from."""
    return SceneTargets(folder=Path(folder), views=load_teacher_views(views_folder), phi_s=phi_s or {})


def scene_weights(scene: GaussianScene, views: TeacherViews, grid: tuple[int, int]) -> PatchWeights:
    """G of the scene for patches of this grid: bilinear upsampling, pixel edges aligned."""
    viewmats, Ks = camera_tensors(views.cameras)
    size = {"width": views.cameras.width, "height": views.cameras.height, "patch_rows": grid[0], "patch_cols": grid[1]}
    with torch.no_grad():
        scene = scene.detached().to("cpu")
        return patch_weights(scene.means, scene.unit_quats, scene.scales, scene.opacities, viewmats=viewmats, Ks=Ks, near_plane=NEAR, **size)


def lifted(weights: PatchWeights, maps: Tensor, valid: Tensor) -> Tensor:
    """G P over the total weights: maps [V, h, w, C] half or float -> [N, C] float32, zero where ``valid`` [N] is False."""
    sums = lift(weights, maps.flatten(0, 2).contiguous())
    return sums * (valid / weights.total.clamp_min(torch.finfo(torch.float32).tiny))[:, None]


def fit_phi_s(scenes: list[SceneTargets], roles: tuple[Role, ...] | None = None) -> dict[Role, PhiS]:
    """PHI-S of every role over the training scenes' patch features, each patch weighted by its coverage.

    Coverage is the rendering weight that lands on the patch (column sums of G): patches that see nothing do not count.
    """

    def batches(role: Role):
        for targets in scenes:
            yield targets.maps(role).flatten(0, 2).float(), targets.weights(role).coverage

    return {role: PhiS.fit(batches(role)) for role in roles or scenes[0].roles}


def storage(folder: Path, views_folder: Path) -> dict:
    """Bytes on disk of the factors (G and the patch maps), of G alone, and of the naive N x C halves of the same teachers."""
    views = load_teacher_views(views_folder)
    folder = Path(folder)
    maps = {role: (views.folder / f"{role}.safetensors").stat().st_size for role in views.roles}
    matrix = sum((folder / name).stat().st_size for name in (WEIGHTS, VALIDITY))
    gaussians = len(read_tensor(folder / VALIDITY, views.roles[0], fix="Make the targets again."))
    channels = sum(_channels(views, role) for role in views.roles)
    return {"factorised_bytes": matrix + sum(maps.values()), "weights_bytes": matrix, "naive_bytes": gaussians * channels * 2}


def _channels(views: TeacherViews, role: Role) -> int:
    with safe_open(views.folder / f"{role}.safetensors", "pt") as file:
        return file.get_slice("features").get_shape()[-1]


def _stored(matrix: PatchWeights, grid: tuple[int, int]) -> dict[str, Tensor]:
    """values in half; column numbers in 16 bits where they fit; totals and coverage exact."""
    short = matrix.shape[1] <= 1 << 16
    tensors = {
        "indptr": matrix.indptr.to(torch.int64),
        "indices": matrix.indices.to(torch.uint16 if short else torch.int32),
        "values": matrix.values.half(),
        "total": matrix.total.float(),
        "coverage": matrix.coverage.float(),
    }
    return {f"{grid[0]}x{grid[1]}.{name}": tensor.contiguous() for name, tensor in tensors.items()}


def _read_weights(path: Path, grid: tuple[int, int]) -> PatchWeights:
    names = ("indptr", "indices", "values", "total", "coverage")
    part = {name: read_tensor(path, f"{grid[0]}x{grid[1]}.{name}", fix="Make the targets again.") for name in names}
    return PatchWeights(
        part["indptr"],
        part["indices"].to(torch.int32),
        part["values"].float(),
        part["total"],
        part["coverage"],
        shape=(len(part["total"]), len(part["coverage"])),
    )
