"""The weights that ship with the package."""

import dataclasses
from pathlib import Path

import pytest
import torch

from chorus.params import load_params
from chorus.sources.sweethome3d import SweetHomeRoom, make_capture, read_scenes
from chorus.teachers.embedded.decoders import Decoder
from chorus.teachers.embedded.evaluate2d import LabelledViews, evaluate_objects, evaluate_words
from chorus.teachers.embedded.train import LANG_SIZE, OBJECT_SIZE
from chorus.teachers.embedded.weights import SHIPPED, provenance, save_heads
from chorus.teachers.load import load_teachers
from tests.unit.sources.tiny_home import build_packages

ROOT = Path(__file__).parents[3]
PARAMS = load_params(ROOT / "params.yaml")
TEACHERS = PARAMS.teachers


def test_they_are_small_and_say_where_they_come_from():
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 5e6
    notes = provenance(SHIPPED)["training"]
    assert set(notes["withheld"]) == set(TEACHERS.withheld) and not set(notes["names"]) & set(TEACHERS.withheld)
    assert notes["steps"] >= TEACHERS.train_steps and notes["rooms"] >= 100 and notes["sentences"] > 300
    scenes = read_scenes(ROOT / "data/scenes.yaml")
    designed = {scene.home for scene in scenes if scene.split == "train" and isinstance(scene, SweetHomeRoom)}
    assert set(notes["homes"]) == {*designed, "generated"}


@pytest.fixture(scope="module")
def room(tmp_path_factory) -> LabelledViews:
    """A rendered room of a home that no training saw."""
    homes = build_packages(tmp_path_factory.mktemp("homes"))
    spec = SweetHomeRoom(id="tiny", home="Tiny", room=0, furniture=("Scopia",), seed=3)
    return LabelledViews.of(
        make_capture(spec, dataclasses.replace(PARAMS.capture, views=10, width=128, height=96), homes_dir=homes)
    )


def _scores(room: LabelledViews, folder: Path | None) -> tuple[float, float, float]:
    """(share of pixels with the right word, mean IoU of words, F of boundaries above calling every pair one)."""
    teachers = load_teachers(TEACHERS, folder)
    words, shapes = evaluate_words(teachers["lang"], [room], withheld=()), evaluate_objects(teachers["object"], [room])
    return words["accuracy"], words["miou"], shapes["boundary_f"] - shapes["boundary_f_chance"]


def test_they_know_words_and_boundaries_that_random_heads_do_not(room, tmp_path):
    chance = 1 / (len(room.names) - 1)
    accuracy, miou, boundary = _scores(room, None)
    assert accuracy > 15 * chance and miou > 6 * chance and boundary > 0.45
    torch.manual_seed(0)
    save_heads(tmp_path, lang=Decoder(LANG_SIZE), object=Decoder(OBJECT_SIZE), dino={8: 1.0, 16: 1.0}, notes={})
    accuracy, miou, boundary = _scores(room, tmp_path)
    assert accuracy < 4 * chance and miou < 2 * chance and boundary < 0.35
