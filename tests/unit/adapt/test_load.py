from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chorus.adapt.load import adaptation_scenes, spaces_of
from chorus.cameras import Cameras, look_at
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel
from chorus.encoder.compact import fold
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import EncoderConfig
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


def test_spaces_are_the_models_own_and_for_folded_heads_of_the_rooms_and_teachers_must_agree(monkeypatch):
    torch.manual_seed(0)
    size = EncoderConfig(channels=(16, 16), depths=(0, 1), heads=(1, 1), window=64, drop_path=0.0)
    heads = {role: HeadConfig(channels=8, width=16, teacher=f"embedded-{role}") for role in ("lang", "object")}
    model = SceneModel(ModelConfig(encoder=size, inputs=InputConfig(), heads=heads))
    own, fitted = (torch.randn(8, 8), torch.randn(8)), (torch.randn(8, 8), torch.randn(8))
    for role in heads:
        model.space(role).set(*own)
    fold(model, "lang")
    rooms = SimpleNamespace(teachers={role: f"embedded-{role}" for role in heads}, spaces=dict.fromkeys(heads, fitted))
    asked = []
    monkeypatch.setattr("chorus.adapt.load.RowFile.open", lambda _: rooms)
    monkeypatch.setattr(
        "chorus.adapt.load.StoredScenes.of", lambda *_, roles: asked.append(roles) or SimpleNamespace(reader=rooms)
    )
    found = spaces_of(Store("."), ["room"], model)
    assert found["lang"] is fitted and all(torch.equal(a, b) for a, b in zip(found["object"], own, strict=True))
    assert asked == [["lang"]], "nothing is fitted for a head that has its own"
    rooms.teachers["object"] = "pe-spatial"
    with pytest.raises(InputError, match="its teacher, embedded-object, has looked at, got pe-spatial"):
        spaces_of(Store("."), ["room"], model)
