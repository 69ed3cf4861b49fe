"""From labelled rooms to three teachers and their report, at the smallest size."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from chorus.errors import InputError, MissingError, ParamsError
from chorus.params import load_params
from chorus.store import Store, hash_folder
from chorus.teachers.base import LanguageTeacher, Teacher
from chorus.teachers.embedded import train
from chorus.teachers.embedded.evaluate2d import segmentation_scores
from chorus.teachers.embedded.train import train_embedded
from chorus.teachers.embedded.weights import SHIPPED, load_decoder, provenance
from chorus.teachers.load import embedded_folder, load_teachers
from chorus.teachers.report import report_teachers

PARAMS = replace(
    load_params(Path(__file__).parents[3] / "params.yaml").teachers,
    family="embedded",
    withheld=("piano",),
    train_steps=8,
)


@pytest.fixture(scope="module")
def trained(drawn_room, tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    seen = []
    metrics = train_embedded(
        [drawn_room(i) for i in range(3)], PARAMS, out=folder, seed=0, watch=lambda row: seen.append(row["step"])
    )
    assert seen == [8] and metrics["things"] == 3 and metrics["views"] == 12 and metrics["sentences"] > 20
    return folder


@pytest.fixture(scope="module")
def teachers(trained):
    return load_teachers(PARAMS, trained)


def test_training_again_gives_the_same_bytes(drawn_room, trained, tmp_path):
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    torch.manual_seed(123)
    try:
        train_embedded([drawn_room(i) for i in range(3)], PARAMS, out=tmp_path, seed=0)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert hash_folder(tmp_path) == hash_folder(trained)


def test_a_training_killed_and_resumed_gives_the_same_bytes(drawn_room, tmp_path, monkeypatch):
    monkeypatch.setattr(train, "LOG_EVERY", 2)
    monkeypatch.setattr(train, "CHECKPOINT_EVERY", 3)
    rooms, state = [drawn_room(i) for i in range(3)], tmp_path / "state"

    def kill(row):
        if row["step"] == 6:
            raise KeyboardInterrupt

    train_embedded(rooms, PARAMS, out=tmp_path / "straight", seed=0, state=state)
    with pytest.raises(KeyboardInterrupt):
        train_embedded(rooms, PARAMS, out=tmp_path / "resumed", seed=0, state=state, watch=kill)
    first = []
    train_embedded(
        rooms, PARAMS, out=tmp_path / "resumed", seed=0, state=state, watch=lambda row: first.append(row["step"])
    )
    assert first == [4, 6, 8]  # after the checkpoint of step 3
    assert hash_folder(tmp_path / "resumed") == hash_folder(tmp_path / "straight")
    assert list(state.iterdir()) == []


def test_training_learns(drawn_room, tmp_path):
    short = replace(PARAMS, withheld=(), train_steps=30)
    losses = train_embedded([drawn_room(i) for i in range(3)], short, out=tmp_path, seed=0)["losses"]
    assert losses[-1]["words"] < 1.0 and losses[-1]["boundaries"] < 0.5


def test_teachers_keep_the_protocol(teachers):
    images = torch.rand(2, 64, 96, 3)
    for role, teacher in teachers.items():
        assert isinstance(teacher, Teacher) and teacher.role == role
        features = teacher.features(images)
        assert features.shape == (2, *teacher.patch_grid(64, 96), teacher.dim) and features.dtype == torch.float32
        assert torch.isfinite(features).all()
    assert isinstance(teachers["lang"], LanguageTeacher)
    assert teachers["lang"].text(["a chair"]).shape == (1, teachers["lang"].dim)


def test_dino_strides_weigh_alike(drawn_room, teachers):
    room = drawn_room(0)
    features = teachers["dino"].features(torch.from_numpy(room.images).float() / 255)
    fine, coarse = features[..., :40].var(dim=(0, 1, 2)).mean(), features[..., 40:].var(dim=(0, 1, 2)).mean()
    assert 0.3 < fine / coarse < 3


def test_provenance_says_what_was_trained(trained):
    notes = provenance(trained)
    assert notes["training"]["withheld"] == ["piano"] and "piano" not in notes["training"]["names"]
    assert notes["training"]["homes"] == ["drawn0", "drawn1", "drawn2"] and set(notes["frozen"]) == {
        "image trunk",
        "text tower",
        "training images",
        "sentences",
    }


def test_report_and_picture(drawn_room, teachers, tmp_path):
    rooms = [drawn_room(7), drawn_room(8)]
    scores = report_teachers(teachers, rooms, withheld=PARAMS.withheld, picture=tmp_path / "sheet.png")
    assert set(scores) == {"rooms", "views", "lang", "object", "dino"} and json.dumps(scores)
    assert scores["object"]["boundary_f"] > scores["object"]["boundary_f_chance"]
    assert Image.open(tmp_path / "sheet.png").size[0] == 6 * 98
    dark = [np.zeros_like(room.images) for room in rooms]
    assert report_teachers(teachers, rooms, withheld=(), renders=dark)["lang"]["accuracy"] < scores["lang"]["accuracy"]
    with pytest.raises(InputError, match="none"):
        report_teachers(teachers, [], withheld=())


def test_segmentation_scores_by_hand():
    confusion = torch.tensor([[8, 2, 0], [0, 5, 5], [0, 0, 0]])
    scores = segmentation_scores(confusion, ("wall", "chair", "piano"), withheld=("piano",))
    assert scores["iou"] == {"wall": 0.8, "chair": pytest.approx(5 / 12, abs=1e-5)}
    assert (
        scores["f_miou"] == scores["seen_f_miou"] == pytest.approx(5 / 12, abs=1e-5)
        and scores["withheld_f_miou"] is None
    )
    assert scores["f_macc"] == 0.5 and scores["accuracy"] == 0.65


def test_choosing_the_family(tmp_path):
    store = Store(tmp_path)
    assert embedded_folder(None) == embedded_folder(store) == SHIPPED
    store.embedded_teacher.mkdir(parents=True)
    (store.embedded_teacher / "provenance.json").write_text("{}")
    assert embedded_folder(store) == store.embedded_teacher
    with pytest.raises(ParamsError, match="embedded, foundation"):
        load_teachers(replace(PARAMS, family="magic"))


def test_absent_or_damaged_heads(trained, tmp_path):
    with pytest.raises(MissingError, match=r"provenance\.json"):
        load_teachers(PARAMS, tmp_path)
    (tmp_path / "lang.safetensors").write_bytes((trained / "lang.safetensors").read_bytes()[:1000])
    with pytest.raises(InputError, match="decoder's weights"):
        load_decoder(tmp_path, "lang")
