"""From the store to what a distillation reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from chorus.distill.batches import TrainingScene
from chorus.store import Store
from chorus.teachers.base import Role
from chorus.teachers.lift import fit_phi_s, targets_of
from chorus.teachers.phi_s import PhiS
from chorus.teachers.views import teacher_names


@dataclass(frozen=True)
class TrainingRooms:
    """scenes with standardised targets; role -> the PHI-S fitted on them; role -> the teacher's name."""

    scenes: list[TrainingScene]
    phi_s: dict[Role, PhiS]
    teachers: dict[str, str]


def training_scenes(store: Store, names: Sequence[str], *, device: torch.device | str = "cpu") -> TrainingRooms:
    """The rooms of these names, in their order, lifted on a device and kept on the host.

    Raises ChorusError for one whose targets are absent or damaged.
    """
    phi_s = fit_phi_s([targets_of(store, name) for name in names])
    scenes = []
    for name in names:
        found = targets_of(store, name, device=device).with_phi_s(
            phi_s
        )  # for this room alone: the weights it reads go with it
        targets = {role: found.standardized(role).half().cpu() for role in found.roles}
        valid = {role: found.valid(role) for role in found.roles}
        scenes.append(TrainingScene(name=name, scene=found.gaussians.to("cpu"), targets=targets, valid=valid))
    names_of = teacher_names(store.scene(names[0], "teacher_views"))
    return TrainingRooms(scenes, phi_s, {str(role): name for role, name in names_of.items()})
