"""Exact factorised lifting: any teacher's targets on Gaussians from one sparse matrix and the small patch maps.

A Gaussian's target is the mean of the pixels it colours, by rendering weight w (after Chorus, arXiv 2512.17817, eq. 3):

    f_i = sum_{p,u} w_i(p,u) F_{p,u} / sum_{p,u} w_i(p,u)

Teachers emit patch maps P and upsampling is linear, F = B P, hence f = D^-1 (W^T B) P = D^-1 G P. G depends on the
geometry and the patch grid only and is shared by all teachers of that grid. Of a teacher that answers by mask, G has a
column a mask (``mask_lift.py``). The same G renders features back (``chorus_kernels.render_features``).

Lifting happens once: what is stored are the lifted rows, compact (``rows.py``). G makes them, and lies beside them only
where ``targets.weights_budget`` asks for it; one pass of the rasteriser makes it again, a run of views at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from chorus.errors import InputError
from chorus.io import read_scene
from chorus.json_files import write_json
from chorus.params import TargetParams
from chorus.room import require_disk, require_memory
from chorus.scene import GaussianScene
from chorus.splat.weights import (
    join_views,
    load_weights,
    save_weights,
    scene_weights,
    stored_bytes,
    stored_names,
    view_parts,
    without_columns,
)
from chorus.store import Store
from chorus.teachers.base import Role
from chorus.teachers.mask_lift import scene_mask_weights
from chorus.teachers.row_codec import CodedRows, code_rows
from chorus.teachers.rows import ROWS, RowFile, curve_order, save_rows
from chorus.teachers.views import TeacherViews, load_teacher_views, teacher_names
from chorus_kernels import PatchWeights, lift

WEIGHTS, METRICS = "weights.safetensors", "metrics.json"
ROWS_AT_MOST = 0.25  # of N x C halves: more than rows have taken at any error asked for
Part = tuple[slice, PatchWeights]  # columns of the role, G of these columns


@dataclass(frozen=True, kw_only=True)
class SceneTargets:
    """The lifted targets of one scene of N Gaussians. Reads and multiplies when asked, keeps only what is small."""

    folder: Path
    views: TeacherViews
    scene: GaussianScene | None = None  # whose rows these are
    _kept: dict[str, PatchWeights] = field(default_factory=dict, repr=False)

    @property
    def roles(self) -> tuple[Role, ...]:
        return self.views.roles

    @cached_property
    def rows(self) -> RowFile:
        """The lifted rows, compact, along the curve."""
        return RowFile.open(self.folder)

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
        self.rows.order(self.gaussians.to("cpu"))  # refuses another scene
        width = int(self.views.starts(role)[-1])
        for columns, part in weight_parts(self.gaussians, self.views, role):
            if part.shape[1] == width:
                self._kept[key] = part
            yield columns, part

    def maps(self, role: Role) -> Tensor:
        """[V, h, w, C] half: the teacher's patch features; [1, 1, R, C] of masks."""
        return self.views.maps(role)

    def features(self, role: Role) -> Tensor:
        """[N, C] float32 on the host, in the teacher's own space, as the rows say it; zero where not valid."""
        found = self.rows.features(role)
        return torch.empty_like(found).index_copy_(0, self.rows.order(self.gaussians.to("cpu")), found)

    def lifted(self, role: Role) -> Tensor:
        """[N, C] float32 where the scene is: the same lifted anew, exact; zero where not valid."""
        return lifted(self.parts(role), self.maps(role), self.valid(role))

    def valid(self, role: Role) -> Tensor:
        """[N] bool: total rendering weight above the threshold. By weight, never by the size of a feature."""
        found = self.rows.valid(role)
        return torch.empty_like(found).index_copy_(0, self.rows.order(self.gaussians.to("cpu")), found)


def make_targets(
    scene: GaussianScene, views_folder: Path, params: TargetParams, *, out: Path, device: torch.device | str = "cpu"
) -> dict:
    """Lift every role and write rows.safetensors, metrics.json and, within the budget, weights.safetensors into
    ``out``; returns the metrics: counts, bytes, and how far the rows are from what was lifted.

    A matrix G for each distinct patch grid of the teacher views and for each role that answers by mask; made and
    multiplied on ``device``, coded on the host. Raises InputError before the work starts where disk or memory will not
    do.
    """
    views, out = load_teacher_views(views_folder), Path(out)
    if not views.roles:
        raise InputError(
            views_folder,
            expected="the features of at least one teacher",
            got="none",
            fix="Make the teacher views again.",
        )
    _require_room(views, len(scene), params, out)
    out.mkdir(parents=True, exist_ok=True)
    sharing: dict[str, list[Role]] = {}
    for role in views.roles:
        sharing.setdefault(matrix_key(views, role), []).append(role)
    order, room = curve_order(scene.means), params.weights_budget * naive_bytes(views, len(scene))
    rows: dict[Role, CodedRows] = {}
    valid, kept, entries = {}, {}, {}
    for key in sorted(sharing):
        made = _Lifting(scene.to(device), views, sharing[key], room=room)
        entries[key] = made.entries
        if made.weights is not None:
            kept[key], room = made.weights, room - stored_bytes(made.weights)
        for role in sharing[key]:
            valid[role], features = (made.total > params.min_weight).cpu()[order], made.features(role)[order]
            if not bool(torch.isfinite(features[valid[role]]).all()):
                expected, fix = f"finite features of {role}", "Make the teacher views again."
                raise InputError(views_folder, expected=expected, got="NaN or infinity", fix=fix)
            rows[role] = code_rows(features, valid[role], error=params.rows_error)
    if kept:
        save_weights(out / WEIGHTS, kept)
    names = teacher_names(views.folder)
    save_rows(out / ROWS, {role: rows[role] for role in views.roles}, valid=valid, order=order, teachers=names)
    metrics = {"gaussians": len(scene), "entries": entries, "roles": RowFile.open(out).notes["roles"]}
    metrics |= storage(out)
    write_json(out / METRICS, metrics)
    return metrics


def load_targets(folder: Path, views_folder: Path, *, scene: GaussianScene | None = None) -> SceneTargets:
    """Targets as :func:`make_targets` wrote them, beside the teacher views they were made from. scene: the Gaussians,
    whose order the rows follow."""
    return SceneTargets(folder=Path(folder), views=load_teacher_views(views_folder), scene=scene)


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
    taking_part = None if masks is not None else views.patches_taking_part(*views.grid(role))
    for run in view_parts(len(scene), len(views.cameras)):
        cameras = views.cameras.select(run)
        if masks is not None:
            part = scene_mask_weights(scene, cameras, masks.select(run))
        else:
            rows, columns = views.grid(role)
            part = scene_weights(scene, cameras, rows=rows, columns=columns)
            if taking_part is not None:
                part = without_columns(part, ~taking_part[starts[run.start] : starts[run.stop]])
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


def storage(folder: Path) -> dict[str, int]:
    """Bytes of a targets folder (rows, and G where it is kept), and of N x C halves of the same teachers."""
    folder, rows = Path(folder), RowFile.open(folder)
    here = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return {"targets_bytes": here, "naive_bytes": 2 * len(rows) * sum(rows.channels.values())}


def naive_bytes(views: TeacherViews, gaussians: int) -> int:
    """Of N x C halves of all roles."""
    return gaussians * sum(views.channels(role) for role in views.roles) * 2


class _Lifting:
    """One pass over a matrix G: sums of the roles that share it, its totals, and G itself where there is room."""

    def __init__(self, scene: GaussianScene, views: TeacherViews, roles: list[Role], *, room: float):
        maps = {role: views.maps(role).flatten(0, 2).contiguous() for role in roles}
        self.sums = {role: scene.means.new_zeros(len(scene), maps[role].shape[1]) for role in roles}
        self.total, self.entries, size = scene.means.new_zeros(len(scene)), 0, 0
        parts: list[PatchWeights] = []
        for columns, part in weight_parts(scene, views, roles[0]):
            self.total += part.total
            for role in roles:
                self.sums[role] += lift(part, maps[role][columns].to(part.values.device))
            self.entries, size = self.entries + len(part.values), size + stored_bytes(part)
            parts = [*parts, part.to("cpu")] if size <= room else []  # to be written
        self.weights = join_views(parts) if parts else None

    def features(self, role: Role) -> Tensor:
        """[N, C] the weighted means, on the host; the sums go with the call."""
        return self.sums.pop(role).div_(self.total.clamp_min(torch.finfo(torch.float32).tiny)[:, None]).cpu()


def _require_room(views: TeacherViews, gaussians: int, params: TargetParams, out: Path) -> None:
    naive = naive_bytes(views, gaussians)
    widest = max(views.channels(role) for role in views.roles)
    require_disk(out, (ROWS_AT_MOST + params.weights_budget) * naive, what="the targets of a scene")
    needed = 2.0 * naive + 8.0 * gaussians * widest  # the sums in float32; one role once more while it is coded
    require_memory(
        needed, what=f"lifting to {gaussians} Gaussians", fix="Fit fewer Gaussians, or use a larger machine."
    )
