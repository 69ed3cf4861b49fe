"""A model's features beside the teacher's, or beside another model's."""

import numpy as np
import pytest
import torch

from chorus.errors import InputError
from chorus.store import Store
from chorus.view.colors import pca_colors
from chorus.view.reference import Reference, Rows, teacher_of
from chorus.view.session import MODES, Session
from tests.unit.view.test_session import Heights, named  # noqa: F401  a fixture


@pytest.fixture
def features() -> np.ndarray:
    draw = np.random.default_rng(0).normal(size=(550, 8)) @ np.random.default_rng(1).normal(size=(8, 34))
    return draw / np.linalg.norm(draw, axis=1, keepdims=True)


def test_equal_features_have_equal_colors_and_no_difference(features):
    held, plain = Reference(("teacher", "student"), lambda: Rows.of(features)), np.full((550, 3), 0.4)
    np.testing.assert_allclose(held.colors("teacher", features, plain), held.colors("student", features, plain))
    np.testing.assert_allclose(held.colors("teacher", features, plain), pca_colors(features))
    np.testing.assert_allclose(held.colors("difference", features, plain), 0.55, atol=1e-6)


def test_where_they_differ_it_is_red(features):
    other, plain = features.copy(), np.full((550, 3), 0.4)
    other[:100] *= -1
    valid = np.arange(550) != 0
    colors = Reference(("teacher", "student"), lambda: Rows(features, valid)).colors("difference", other, plain)
    np.testing.assert_allclose(colors[1:100], np.tile([0.9, 0.1, 0.1], (99, 1)), atol=1e-6)
    np.testing.assert_allclose(colors[[0, 100, 549]], 0.55, atol=1e-6)  # the first has no target


def test_colors_like_others_lie_on_their_axes(features):
    """A turned copy is colored otherwise by its own directions, and alike by the first one's."""
    half = pca_colors(features[:275], like=features)
    np.testing.assert_allclose(half, pca_colors(features)[:275])
    assert np.abs(half - pca_colors(features[:275])).max() > 0.01


def test_features_of_another_width_are_refused(features):
    held = Reference(("teacher", "student"), lambda: Rows.of(features))
    with pytest.raises(InputError, match="width of student's, 5, got 34"):
        held.colors("difference", features[:, :5], np.zeros((550, 3)))


def test_a_session_offers_the_modes_it_can_color(named):  # noqa: F811
    own = Session(named, Heights())
    both = Session(named, Heights(), Reference(("first", "second"), lambda: Rows.of(own.search.features)))
    assert Session(named).modes == ("rgb",) and own.modes == MODES
    assert both.modes == (*MODES, "first", "second", "difference")
    for mode in both.modes:
        assert both.colors(mode).shape == (550, 3)
    np.testing.assert_allclose(both.colors("first"), both.colors("second"))


def test_another_model_makes_all_anew(named):  # noqa: F811
    session = Session(named, Heights())
    before = session.colors("PCA")

    class Upside(Heights):
        def encode(self, scene, outputs=("lang",)):
            found = super().encode(scene, outputs)
            return type(found)({"lang": found["lang"].roll(7, dims=0)}, self.text)

    session.renew(Upside())
    assert not np.array_equal(session.colors("PCA"), before) and torch.is_tensor(session.labels.label)


def test_a_room_without_targets_has_no_teacher(tmp_path):
    assert teacher_of(Store(tmp_path), "kitchen") is None


def test_what_is_inside_a_box(named):  # noqa: F811
    session = Session(named, Heights())
    low, high = np.array([0.5, 0.5, 0.3]), np.array([1.5, 1.5, 1.0])
    rows = session.inside(low, high)
    means = named.gaussians.means.numpy()
    assert len(rows) == 50 and ((means[rows] >= low) & (means[rows] <= high)).all()
    session.hidden.update(rows[:10].tolist())
    assert np.array_equal(session.inside(low, high), rows[10:])
