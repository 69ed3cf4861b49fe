"""From the store to what an adaptation reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chorus.adapt.train import AdaptScene
from chorus.encoder.checkpoint import SceneModel
from chorus.room import require_memory
from chorus.store import Store
from chorus.teachers.base import ROLES, Role
from chorus.teachers.lift import SceneTargets, targets_of
from chorus.teachers.views import load_teacher_views


def adaptation_scenes(
    store: Store, names: Sequence[str], model: SceneModel, *, device: torch.device | str = "cpu"
) -> list[AdaptScene]:
    """The rooms of these names with their teachers' maps in the model's standardised spaces: weights made on a device,
    kept on the host. No label is read."""
    roles: tuple[Role, ...] = tuple(role for role in sorted(ROLES) if str(role) in model.heads)
    _require_memory(store, names, roles)
    return [_scene(name, targets_of(store, name, device=device), model, roles) for name in names]


def _require_memory(store: Store, names: Sequence[str], roles: Sequence[Role]) -> None:
    """Raise InputError where the rooms' maps, in float32, find no room."""
    needed = 0.0
    for views in (load_teacher_views(store.scene(name, "teacher_views")) for name in names):
        needed += sum(4 * int(views.starts(role)[-1]) * views.channels(role) for role in roles)
    fix = "List fewer training rooms of the second domain, or use a larger machine."
    require_memory(needed, what=f"the teachers' maps of {len(names)} rooms", fix=fix)


def _scene(name: str, targets: SceneTargets, model: SceneModel, roles: Sequence[Role]) -> AdaptScene:
    return AdaptScene(
        name=name,
        scene=targets.gaussians.to("cpu"),
        teacher_maps={role: _standardized(targets, model, role) for role in roles},
        weights={role: targets.weights(role).to("cpu") for role in roles},
        starts={role: targets.views.starts(role) for role in roles},
        pixels={role: targets.views.masks(role).areas for role in roles if targets.views.by_mask(role)},
    )


def _standardized(targets: SceneTargets, model: SceneModel, role: Role) -> Tensor:
    """[columns, C]: the teacher's maps, x~ of x = x~ M + mean."""
    space = model.space(role)
    back = torch.linalg.inv(space.matrix.double()).float()
    return (targets.maps(role).flatten(0, 2).float() - space.mean) @ back
