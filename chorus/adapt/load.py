"""From the store to what an adaptation reads."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from chorus.adapt.train import AdaptScene
from chorus.encoder.checkpoint import SceneModel
from chorus.store import Store
from chorus.teachers.lift import targets_of


def adaptation_scenes(store: Store, names: Sequence[str], model: SceneModel) -> list[AdaptScene]:
    """The rooms of these names with their teachers' maps in the model's standardised spaces. No label is read."""
    back = {role: (torch.linalg.inv(space.matrix.double()).float(), space.mean) for role, space in model.spaces.items()}
    scenes = []
    for name in names:
        found = targets_of(store, name)
        maps = {role: (found.maps(role).flatten(0, 2).float() - mean) @ matrix for role, (matrix, mean) in back.items()}
        scenes.append(
            AdaptScene(
                name=name,
                scene=found.scene,
                teacher_maps=maps,
                weights={role: found.weights(role) for role in back},
                starts={role: found.views.starts(role) for role in back},
                pixels={role: found.views.masks(role).areas for role in back if found.views.by_mask(role)},
            )
        )
    return scenes
