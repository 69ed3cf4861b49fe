"""What a viewer shows and answers, without one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chorus.encoder.encode import SceneFeatures
from chorus.errors import InputError
from chorus.io import read_ply
from chorus.scene import scene_from_colors
from chorus.teachers.embedded.sentences import sentences
from chorus.text import prompt
from chorus.view.named import NamedScene
from chorus.view.session import MODES, Session
from chorus.view.vocabulary import HELD


class Heights:
    """An encoder whose language is the height of a Gaussian: floor, chair, lamp."""

    config = SimpleNamespace(text="embedded")
    rows = {name: i for i, name in enumerate(("floor", "chair", "lamp"))}

    def text(self, prompts):
        space = torch.eye(len(HELD) + 1)
        called = {prompt(said): i for n, i in self.rows.items() for said in (n, *sentences().of(n, "train"))}
        return torch.stack([space[called.get(p, 3 + len(p) % 30)] for p in prompts])

    def encode(self, scene, outputs=("lang",)):
        kind = torch.bucketize(scene.means[:, 2].contiguous(), torch.tensor([0.3, 1.5]))
        return SceneFeatures({"lang": torch.eye(len(HELD) + 1)[kind]}, self.text)


@pytest.fixture
def named() -> NamedScene:
    draw = np.random.default_rng(0)
    floor = draw.uniform((0, 0, 0), (4, 3, 0.02), (400, 3))
    floor[0] = 2, 1, 0.01  # under the lamp
    chairs = [draw.normal((x, 1, 0.6), 0.05, (50, 3)) for x in (1, 3)]
    lamp = draw.normal((2, 1, 2.2), 0.05, (50, 3))
    means = torch.from_numpy(np.concatenate([floor, *chairs, lamp])).float()
    n = len(means)
    scene = scene_from_colors(
        means, torch.tensor([[1.0, 0, 0, 0]]).expand(n, 4), torch.full((n, 3), 0.05), torch.full((n,), 0.9), means * 0
    )
    return NamedScene("room", scene, None)


@pytest.fixture
def session(named) -> Session:
    return Session(named, Heights())


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_colors_every_gaussian(session, mode):
    colors = session.colors(mode, session.ask("a chair"))
    assert colors.shape == (550, 3) and np.isfinite(colors).all() and colors.min() >= 0 and colors.max() <= 1
    if mode not in ("rgb",):
        assert not np.allclose(colors[:400].mean(0), colors[400:500].mean(0), atol=0.05)


def test_a_click_tells_name_object_and_size(session):
    found = session.click(np.array([1.0, -3, 0.6]), np.array([0.0, 1, 0]))
    assert found.names[0][0] == "chair" and found.names[0][1] > 0.9
    assert set(found.rows) == set(range(400, 450)) and 0.05 < found.extent[0] < 0.4
    assert session.click(np.array([1.0, -3, 5.0]), np.array([0.0, 1, 0])) is None


def test_what_is_hidden_or_cut_away_is_clicked_through(session):
    down = np.array([2.0, 1, 5]), np.array([0.0, 0, -1])
    assert session.click(*down).names[0][0] == "lamp"
    assert session.click(*down, shown=session.shown(below=0.5)).names[0][0] == "floor"
    session.hidden.update(range(500, 550))
    assert session.click(*down, shown=session.shown()).names[0][0] == "floor"


def test_several_questions_at_once(session):
    chair, lamp = session.ask("a chair; a lamp")
    assert len(chair.objects) == 2 and len(lamp.objects) == 1
    colors = session.colors("heat", [chair, lamp])
    assert np.ptp(colors[400:450].mean(0)) > 0.2 and np.ptp(colors[500:].mean(0)) > 0.2 and np.ptp(colors[0]) < 0.01
    with pytest.raises(InputError, match="words to look for"):
        session.ask(" ; ")


def test_similar_finds_the_other_chair(session):
    answer = session.similar(410)
    assert len(answer.objects) == 2 and answer.score[:400].max() == 0


def test_an_export_holds_the_object_and_its_labels(session, tmp_path):
    found = session.click(np.array([1.0, -3, 0.6]), np.array([0.0, 1, 0]))
    assert session.export(tmp_path / "chair.ply", found.rows) == 50
    labels = read_ply(tmp_path / "chair.ply").labels
    assert {labels.names[i] for i in labels.label.tolist()} == {"chair"}


def test_without_a_model_a_scene_is_looked_at(named, tmp_path):
    session = Session(named)
    assert session.colors("rgb").shape == (550, 3)
    assert session.click(np.array([1.0, -3, 0.6]), np.array([0.0, 1, 0])).names == []
    assert session.export(tmp_path / "all.ply") == 550
    with pytest.raises(InputError, match="a model"):
        session.ask("a chair")


def test_a_large_scene_is_thinned_to_what_covers_most(named):
    session = Session(named, most=100)
    named.gaussians.log_scales[:50] += 1.0
    assert len(session.kept) == 100 and set(range(50)) <= set(session.kept)
    assert session.thinned().startswith("100 of 550")
    assert Session(named).thinned() == ""
