"""Features that Gaussians share give what features of their own give, in all that is asked of them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from chorus.view.page import page_of
from chorus.view.session import MODES, Session
from chorus.view.shared import SharedFeatures
from tests.unit.view.test_session import Heights, named  # noqa: F401  a fixture


class Sharing(Heights):
    """The same model, which tells that Gaussians of a height have one feature."""

    def encode_shared(self, scene, output):
        features = self.encode(scene).lang
        rows, index = torch.unique(features, dim=0, return_inverse=True)
        return 3.0 * rows, index  # of any length


@pytest.fixture
def both(named):  # noqa: F811
    return Session(named, Heights()), Session(named, Sharing())


def test_rows_are_of_unit_length_and_those_given_stay(both):
    given = torch.randn(7, 5)
    before = given.clone()
    features = SharedFeatures.made(given, torch.tensor([3, 3, 0]))
    np.testing.assert_allclose(np.linalg.norm(features.rows, axis=1), 1, rtol=1e-6)
    assert torch.equal(given, before) and len(features) == 3
    np.testing.assert_array_equal(features[:2], features.rows[[3, 3]])
    assert len(SharedFeatures.made(given)) == 7


def test_it_has_few_rows_and_answers_as_the_other(both):
    own, shared = both
    assert len(shared.search.shared.rows) == 3 and len(own.search.shared.rows) == 550
    for words in ("a chair", "a lamp", "a chair; a lamp", "a chair, not a lamp", "a zeppelin"):
        for a, b in zip(own.ask(words), shared.ask(words), strict=True):
            np.testing.assert_allclose(a.score, b.score, atol=1e-6)
            assert [sorted(x.rows) for x in a.objects] == [sorted(x.rows) for x in b.objects]
    np.testing.assert_array_equal(own.search.features, shared.search.features)
    np.testing.assert_array_equal(own.search.named()[0], shared.search.named()[0])
    np.testing.assert_allclose(own.similar(410).score, shared.similar(410).score, atol=1e-6)
    assert own.search.names(500)[0] == shared.search.names(500)[0]


@pytest.mark.parametrize("mode", MODES)
def test_colors_labels_and_clicks_agree(both, mode):
    own, shared = both
    np.testing.assert_allclose(own.colors(mode), shared.colors(mode), atol=1e-6)
    assert torch.equal(own.labels.label, shared.labels.label)
    np.testing.assert_array_equal(own.instances, shared.instances)
    clicked = [one.click(np.array([1.0, -3, 0.6]), np.array([0.0, 1, 0])) for one in both]
    assert clicked[0].hit.row == clicked[1].hit.row and np.array_equal(clicked[0].rows, clicked[1].rows)


def test_pages_hold_a_feature_for_every_gaussian(both):
    pages = [page_of(one) for one in both]
    assert all('"count":550' in page for page in pages) and abs(len(pages[0]) - len(pages[1])) < 2000


def test_a_model_that_shares_nothing_is_asked_for_all():
    model = SimpleNamespace(encode=lambda scene, outputs: SimpleNamespace(lang=torch.eye(4)))
    assert len(SharedFeatures.of(model, None)) == 4
