import numpy as np
import pytest
import torch

from chorus.adapt.load import adaptation_scenes
from chorus.cameras import Cameras, look_at
from chorus.errors import InputError
from chorus.store import Store
from chorus.teachers.compress import save_features
from chorus.teachers.views import _write_cameras

SHAPES = {"lang": (3, 4, 6, 12), "object": (3, 2, 3, 4)}


def test_memory_for_the_maps_of_all_rooms_is_asked_for_before_they_are_read(tmp_path, monkeypatch):
    store, maps = Store(tmp_path), 4 * sum(int(np.prod(shape)) for shape in SHAPES.values())
    folder = store.scene("room", "teacher_views")
    folder.mkdir(parents=True)
    for role, shape in SHAPES.items():
        drawn = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        save_features(folder / f"{role}.safetensors", drawn, storage="half", error=0.02, teacher=role)
    pose, K = look_at([0, 0, 1], [1, 0, 1]), np.array([[40.0, 0, 24], [0, 40, 16], [0, 0, 1]])
    cameras = Cameras(K=np.stack([K] * 3), cam_from_world=np.stack([pose] * 3), width=48, height=32)
    _write_cameras(folder / "cameras.json", cameras)
    spaces, begun = {role: (torch.eye(shape[-1]), torch.zeros(shape[-1])) for role, shape in SHAPES.items()}, []
    monkeypatch.setattr("chorus.adapt.load.targets_of", lambda *_, **__: begun.append(1))
    monkeypatch.setattr("chorus.adapt.load._scene", lambda *_: None)
    monkeypatch.setattr("chorus.room.available_memory", lambda: 2 * maps - 1)
    with pytest.raises(InputError, match="memory: .*for the teachers' maps of 2 rooms, got .* List fewer"):
        adaptation_scenes(store, ["room", "room"], spaces)
    assert not begun
    monkeypatch.setattr("chorus.room.available_memory", lambda: 2 * maps)
    adaptation_scenes(store, ["room", "room"], spaces)
    assert len(begun) == 2
