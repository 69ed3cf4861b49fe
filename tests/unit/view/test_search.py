"""Questions in the space of a foundation teacher: open_clip's own text tower, tiny, with weights saved here."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml

from chorus.scene import scene_from_colors
from chorus.teachers.embedded.sentences import sentences
from chorus.teachers.foundation.siglip import load_open_clip
from chorus.teachers.foundation.standins import write_open_clip
from chorus.text import prompt
from chorus.view.ask import Search
from chorus.view.vocabulary import ANYTHING, ELSEWHERE, HELD, vocabulary_of

VISION = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}


@pytest.fixture(scope="module")
def tower(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    write_open_clip(folder, vision=VISION, hub_tokenizer=False, custom=False)
    return load_open_clip(folder, name="clip", device="cpu")


@pytest.fixture(scope="module")
def scene():
    """Three balls of 60 Gaussians a metre apart on a floor of 200."""
    rng = np.random.default_rng(0)
    floor = np.stack([*np.meshgrid(np.linspace(0, 4, 20), np.linspace(0, 2, 10)), np.zeros((10, 20))], -1).reshape(
        -1, 3
    )
    balls = [rng.normal(size=(60, 3)) * 0.06 + [x, 1.0, 0.5] for x in (0.8, 2.0, 3.2)]
    means = torch.tensor(np.concatenate([floor, *balls]), dtype=torch.float32)
    n = len(means)
    quats = torch.tensor([[1.0, 0, 0, 0]]).expand(n, 4)
    return scene_from_colors(means, quats, torch.full((n, 3), 0.03), torch.full((n,), 0.9), torch.rand(n, 3))


class Model:
    """Stands for a model taught by the tower: floor, chair, armadillo and zebra, told by their names. The tower is
    untrained and all its sentences lie close together: what they share is taken from text and features alike."""

    config = SimpleNamespace(text="foundation:lang@0")

    def __init__(self, tower):
        self._tower = tower
        words = [prompt(word) for word in (*ANYTHING, "chair", "zebra", "armadillo", "floor", "sofa")]
        self._shared = tower.text(words).mean(dim=0)

    def text(self, prompts):
        return torch.nn.functional.normalize(self._tower.text(prompts) - self._shared, dim=-1)

    def encode(self, scene, *, outputs):
        assert outputs == ("lang",)
        of = torch.tensor([0] * 200 + [1] * 60 + [2] * 60 + [3] * 60)
        self.lang = self.text([prompt(word) for word in ("floor", "chair", "armadillo", "zebra")])[of]
        return self


def test_no_list_of_names_stands_between_a_foundation_teacher_and_a_question(scene, tower):
    search = Search.of(scene, Model(tower))
    for words, x in (("a chair", 0.8), ("armadillo", 2.0), ("a zebra", 3.2)):
        found = search.ask(words).objects
        np.testing.assert_allclose(found[0].position, [x, 1.0, 0.5], atol=0.05)
        assert len(found) == 1


def test_each_kind_of_text_has_its_vocabulary():
    known, free = vocabulary_of("embedded"), vocabulary_of("foundation:siglip2@abc")
    assert free.held == free.elsewhere == () and free.anything == ANYTHING and known.anything == ()
    assert tuple(called[0] for called in known.held) == HELD and known.elsewhere == ELSEWHERE
    assert set(sentences().of("bed", "train")) < set(known.held[HELD.index("bed")])
    asked = {s for thing in HELD for part in ("validation", "test") for s in sentences().of(thing, part)}
    assert not asked & {s for called in known.held for s in called}


def test_no_absent_thing_of_the_benchmark_is_on_the_list_itself():
    absent = yaml.safe_load((Path(__file__).parents[3] / "benchmarks/words.yaml").read_text())["absent"]
    asked = {re.sub("^(a|an) ", "", words) for part in absent.values() for words in part}
    assert len(asked) == 50 and not asked & {*ELSEWHERE, *HELD}
