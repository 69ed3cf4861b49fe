"""Exact factorised lifting: any teacher's targets on Gaussians from one sparse matrix and the small patch maps.

A Gaussian's target is the mean of the pixels it colours, by rendering weight w (after Chorus, arXiv 2512.17817, eq. 3):

    f_i = sum_{p,u} w_i(p,u) F_{p,u} / sum_{p,u} w_i(p,u)

Teachers emit patch maps P and upsampling is linear, F = B P, hence f = D^-1 (W^T B) P = D^-1 G P. G depends on the
geometry and the patch grid only and is shared by all teachers of that grid. Of a teacher that answers by mask, G has a
column a mask (``mask_lift.py``). The same G renders features back (``chorus_kernels.render_features``).

G is stored beside the maps where it is small (``targets.weights_budget``). At hundreds of views it outgrows the arrays
it replaces, and one pass of the rasteriser makes it again: then every use makes it, a run of views at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from chorus.errors import InputError
from chorus.io import read_scene
from chorus.params import TargetParams
from chorus.scene import GaussianScene
from chorus.splat.weights import (
    join_views,
    load_weights,
    save_weights,
    scene_weights,
    stored_bytes,
    stored_names,
    view_parts,
)
from chorus.store import Store
from chorus.teachers.base import Role
from chorus.teachers.mask_lift import scene_mask_weights
from chorus.teachers.phi_s import PhiS
from chorus.teachers.views import TeacherViews, load_teacher_views, read_tensor
from chorus_kernels import PatchWeights, lift

WEIGHTS, COVERAGE, VALIDITY = "weights.safetensors", "coverage.safetensors", "validity.safetensors"
_AGAIN = "Make the targets again."
Part = tuple[slice, PatchWeights]  # columns of the role, G of these columns


@dataclass(frozen=True, kw_only=True)
class SceneTargets:
    """The lifted targets of one scene of N Gaussians. Reads and multiplies when asked, keeps only what is small."""

    folder: Path
    views: TeacherViews
    scene: GaussianScene | None = None  # needed where G is not stored
    phi_s: dict[Role, PhiS] = field(default_factory=dict)  # from the training scenes; empty until fitted
    _kept: dict[str, PatchWeights] = field(default_factory=dict, repr=False)

    @property
    def roles(self) -> tuple[Role, ...]:
        return self.views.roles

    @property
    def device(self) -> torch.device:
        """Where the scene is, hence where weights are made and multiplied."""
        return torch.device("cpu") if self.scene is None else self.scene.means.device

    @property
    def gaussians(self) -> GaussianScene:
        """The scene. Raises InputError when none was given to :func:`load_targets`."""
        if self.scene is None:
            raise InputError(self.folder, expected="the scene of these targets", got="none", fix="Pass scene=.")
        return self.scene

    def weights(self, role: Role) -> PatchWeights:
        """G of the role, all columns at once."""
        return join_views([part for _, part in self.parts(role)])

    def parts(self, role: Role) -> Iterator[Part]:
        """G by runs of columns, in order; one where it is stored or fits in memory whole. Raises InputError where it
        must be made and no scene was given."""
        key = matrix_key(self.views, role)
        if key not in self._kept and key in stored_names(self.folder / WEIGHTS):
            self._kept[key] = load_weights(self.folder / WEIGHTS, key).to(self.device)
        if key in self._kept:
            yield slice(0, self._kept[key].shape[1]), self._kept[key]
            return
        gaussians, width = len(self.valid(role)), len(self.coverage(role))
        if self.scene is None or len(self.scene) != gaussians:
            got = "none" if self.scene is None else f"one of {len(self.scene)}"
            raise InputError(
                self.folder, expected=f"the scene of {gaussians} Gaussians", got=got, fix="Pass scene to load_targets."
            )
        for columns, part in weight_parts(self.scene, self.views, role):
            if part.shape[1] == width:
                self._kept[key] = part
            yield columns, part

    def maps(self, role: Role) -> Tensor:
        """[V, h, w, C] half: the teacher's patch features; [1, 1, R, C] of masks."""
        return self.views.maps(role)

    def coverage(self, role: Role) -> Tensor:
        """[columns] float32: the rendering weight that lands on each patch or mask."""
        return read_tensor(self.folder / COVERAGE, matrix_key(self.views, role), fix=_AGAIN)

    def features(self, role: Role) -> Tensor:
        """[N, C] float32 in the teacher's own space, where the scene is: the weighted mean; zero where not valid."""
        return lifted(self.parts(role), self.maps(role), self.valid(role))

    def standardized(self, role: Role) -> Tensor:
        """[N, C] float32 after PHI-S; zero where not valid. Raises InputError when none was given to
        :func:`load_targets`."""
        if role not in self.phi_s:
            raise InputError(
                self.folder, expected=f"a fitted PHI-S for '{role}'", got="none", fix="Pass phi_s to load_targets."
            )
        rows = self.features(role)
        return self.phi_s[role].apply(rows) * self.valid(role).to(rows.device)[:, None]

    def valid(self, role: Role) -> Tensor:
        """[N] bool: total rendering weight above the threshold. By weight, never by the size of a feature."""
        return read_tensor(self.folder / VALIDITY, role, fix=_AGAIN)

    def with_phi_s(self, phi_s: dict[Role, PhiS]) -> SceneTargets:
        return replace(self, phi_s=phi_s)


def make_targets(
    scene: GaussianScene, views_folder: Path, params: TargetParams, *, out: Path, device: torch.device | str = "cpu"
) -> dict:
    """Write validity.safetensors ([N] bool a role), coverage.safetensors ([columns] a matrix) and, within the budget,
    weights.safetensors into ``out``.

    A matrix G for each distinct patch grid of the teacher views and for each role that answers by mask, made on
    ``device``. Returns counts and :func:`storage`.
    """
    views, out, scene = load_teacher_views(views_folder), Path(out), scene.to(device)
    out.mkdir(parents=True, exist_ok=True)
    if not views.roles:
        raise InputError(
            views_folder,
            expected="the features of at least one teacher",
            got="none",
            fix="Make the teacher views again.",
        )
    roles: dict[str, Role] = {matrix_key(views, role): role for role in views.roles}
    room = params.weights_budget * _naive_bytes(views, len(scene))
    kept, totals, coverage, entries = {}, {}, {}, {}
    for key in sorted(roles):
        parts, totals[key], cover, entries[key], size = [], torch.zeros(len(scene)), [], 0, 0
        for _, made in weight_parts(scene, views, roles[key]):
            part = made.to("cpu")  # to be written
            totals[key] += part.total
            cover.append(part.coverage)
            entries[key], size = entries[key] + len(part.values), size + stored_bytes(part)
            parts = [*parts, part] if size <= room else []
        coverage[key] = torch.cat(cover)
        if parts:
            kept[key], room = join_views(parts), room - size
    if kept:
        save_weights(out / WEIGHTS, kept)
    save_file(coverage, out / COVERAGE)
    valid = {role: totals[matrix_key(views, role)] > params.min_weight for role in views.roles}
    save_file(valid, out / VALIDITY)
    shares = {role: round(float(mask.float().mean()), 5) for role, mask in valid.items()}
    return {"gaussians": len(scene), "valid_share": shares, "entries": entries, "storage": storage(out, views_folder)}


def load_targets(
    folder: Path, views_folder: Path, *, scene: GaussianScene | None = None, phi_s: dict[Role, PhiS] | None = None
) -> SceneTargets:
    """Targets as :func:`make_targets` wrote them, over the teacher views they were made from. scene: the Gaussians, to
    make G again where it is not stored."""
    return SceneTargets(folder=Path(folder), views=load_teacher_views(views_folder), scene=scene, phi_s=phi_s or {})


def targets_of(store: Store, scene: str, *, device: torch.device | str = "cpu") -> SceneTargets:
    """The targets of a scene of the workspace, with its Gaussians on a device."""
    return load_targets(
        store.scene(scene, "targets"),
        store.scene(scene, "teacher_views"),
        scene=read_scene(store.scene(scene, "gaussians")).to(device),
    )


def matrix_key(views: TeacherViews, role: Role) -> str:
    """The name of the role's G: its patch grid, which teachers share, or the role itself where it answers by mask."""
    return role if views.by_mask(role) else "x".join(map(str, views.grid(role)))


def weight_parts(scene: GaussianScene, views: TeacherViews, role: Role) -> Iterator[Part]:
    """G made by the rasteriser, as many views at a time as fit in memory: bilinear upsampling of patches (pixel edges
    aligned), or sums over masks."""
    masks, starts = views.masks(role) if views.by_mask(role) else None, views.starts(role).tolist()
    for run in view_parts(len(scene), len(views.cameras)):
        cameras = views.cameras.select(run)
        if masks is not None:
            part = scene_mask_weights(scene, cameras, masks.select(run))
        else:
            rows, columns = views.grid(role)
            part = scene_weights(scene, cameras, rows=rows, columns=columns)
        yield slice(starts[run.start], starts[run.stop]), part


def lifted(parts: Iterable[Part], maps: Tensor, valid: Tensor) -> Tensor:
    """G P over the total weights: maps [V, h, w, C] half or float -> [N, C] float32, zero where ``valid`` [N] is
    False. Computed where the parts are."""
    flat, sums, total = maps.flatten(0, 2).contiguous(), None, None
    for columns, weights in parts:
        part = lift(weights, flat[columns].to(weights.values.device))
        sums = part if sums is None else sums.add_(part)
        total = weights.total if total is None else total + weights.total
    if sums is None or total is None:
        raise InputError("lifting", expected="weights of at least one view", got="none")
    return sums.mul_((valid.to(total.device) / total.clamp_min(torch.finfo(torch.float32).tiny))[:, None])


def fit_phi_s(scenes: list[SceneTargets], roles: tuple[Role, ...] | None = None) -> dict[Role, PhiS]:
    """PHI-S of every role over the training scenes' patch or mask features, each weighted by its coverage: what sees
    nothing does not count."""

    def batches(role: Role):
        for targets in scenes:
            yield targets.maps(role).flatten(0, 2).float(), targets.coverage(role)

    return {role: PhiS.fit(batches(role)) for role in roles or scenes[0].roles}


def storage(folder: Path, views_folder: Path) -> dict:
    """Bytes on disk of the factors (all here and the teachers' features), of what lies here alone, and of the naive N x
    C halves of the same teachers."""
    views, folder = load_teacher_views(views_folder), Path(folder)
    features = sum((views.folder / f"{role}.safetensors").stat().st_size for role in views.roles)
    here = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    gaussians = len(read_tensor(folder / VALIDITY, views.roles[0], fix=_AGAIN))
    return {"factorized_bytes": here + features, "weights_bytes": here, "naive_bytes": _naive_bytes(views, gaussians)}


def _naive_bytes(views: TeacherViews, gaussians: int) -> int:
    return gaussians * sum(views.channels(role) for role in views.roles) * 2
