"""From the store to what an adaptation reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chorus.adapt.train import AdaptScene
from chorus.encoder.checkpoint import SceneModel
from chorus.store import Store
from chorus.teachers.base import ROLES, Role
from chorus.teachers.lift import SceneTargets, targets_of


def adaptation_scenes(
    store: Store, names: Sequence[str], model: SceneModel, *, device: torch.device | str = "cpu"
) -> list[AdaptScene]:
    """The rooms of these names with their teachers' maps in the model's standardised spaces: weights made on a device,
    kept on the host. No label is read."""
    roles: tuple[Role, ...] = tuple(role for role in sorted(ROLES) if str(role) in model.heads)
    return [_scene(name, targets_of(store, name, device=device), model, roles) for name in names]


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
