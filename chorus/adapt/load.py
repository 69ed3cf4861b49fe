"""From the store to what an adaptation reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from chorus.adapt.train import AdaptScene
from chorus.distill.load import StoredScenes
from chorus.encoder.checkpoint import SceneModel
from chorus.errors import InputError
from chorus.room import require_memory
from chorus.store import Store
from chorus.teachers.base import ROLES, Role
from chorus.teachers.lift import SceneTargets, targets_of
from chorus.teachers.rows import RowFile
from chorus.teachers.views import load_teacher_views

Standard = tuple[Tensor, Tensor]  # matrix [C, C] and mean [C] of x = x~ @ matrix + mean


def spaces_of(store: Store, names: Sequence[str], model: SceneModel) -> dict[str, Standard]:
    """role -> (matrix, mean) of the standardised space that each head learns in: the model's own, and where that was
    folded into the head, one fitted on these rooms' targets.

    Raises InputError where a head's teacher is not the one that looked at the rooms.
    """
    for name in names:
        _check_teachers(RowFile.open(store.scene(name, "targets")).teachers, model)
    own = {role: (model.space(role).matrix, model.space(role).mean) for role in model.spaces}
    folded = [role for role in model.heads if role not in own]
    fitted = StoredScenes.of(store, names, roles=folded).reader.spaces if folded else {}
    return {role: own.get(role) or fitted[role] for role in model.heads}


def _check_teachers(teachers: Mapping[str, str], model: SceneModel) -> None:
    for role, head in model.config.heads.items():
        if (teacher := teachers.get(role, "none")) != head.teacher:
            raise InputError(
                f"adaptation: the {role} head",
                expected=f"scenes that its teacher, {head.teacher}, has looked at",
                got=teacher,
                fix="Name the teachers of this model in params.yaml and teach the scenes again, or start from another.",
            )


def adaptation_scenes(
    store: Store, names: Sequence[str], spaces: Mapping[str, Standard], *, device: torch.device | str = "cpu"
) -> list[AdaptScene]:
    """The rooms of these names with their teachers' maps in standardised spaces, as :func:`spaces_of` gives them for a
    model: weights made on a device, kept on the host. No label is read."""
    roles: tuple[Role, ...] = tuple(role for role in sorted(ROLES) if str(role) in spaces)
    _require_memory(store, names, roles)
    return [_scene(name, targets_of(store, name, device=device), spaces, roles) for name in names]


def _require_memory(store: Store, names: Sequence[str], roles: Sequence[Role]) -> None:
    """Raise InputError where the rooms' maps, in float32, find no room."""
    needed = 0.0
    for views in (load_teacher_views(store.scene(name, "teacher_views")) for name in names):
        needed += sum(4 * int(views.starts(role)[-1]) * views.channels(role) for role in roles)
    fix = "List fewer training rooms of the second domain, or use a larger machine."
    require_memory(needed, what=f"the teachers' maps of {len(names)} rooms", fix=fix)


def _scene(name: str, targets: SceneTargets, spaces: Mapping[str, Standard], roles: Sequence[Role]) -> AdaptScene:
    return AdaptScene(
        name=name,
        scene=targets.gaussians.to("cpu"),
        teacher_maps={role: _standardized(targets, role, *spaces[role]) for role in roles},
        weights={role: targets.weights(role).to("cpu") for role in roles},
        starts={role: targets.views.starts(role) for role in roles},
        pixels={role: targets.views.masks(role).areas for role in roles if targets.views.by_mask(role)},
    )


def _standardized(targets: SceneTargets, role: Role, matrix: Tensor, mean: Tensor) -> Tensor:
    """[columns, C]: the teacher's maps, x~ of x = x~ M + mean."""
    back = torch.linalg.inv(matrix.double()).float()
    return (targets.maps(role).flatten(0, 2).float() - mean) @ back
