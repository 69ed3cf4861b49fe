"""What was embedded before is what the text tower says now."""

import numpy as np
import torch

import chorus
from chorus.scene import scene_from_colors
from chorus.view.ask import Search
from chorus.view.vocabulary import MIDDLES, vocabulary_of


def test_middles_are_those_of_the_sentences():
    """Where sentences.yaml changed: np.save(MIDDLES, ...) of what Search finds without them."""
    means = torch.zeros(4, 3)
    scene = scene_from_colors(
        means, torch.tensor([[1.0, 0, 0, 0]]).expand(4, 4), means + 0.1, torch.full((4,), 0.9), means
    )
    known = vocabulary_of("embedded")
    search = Search(scene, torch.eye(4, 384), text=chorus.load().text, vocabulary=known._replace(middles=None))
    np.testing.assert_allclose(np.load(MIDDLES), search.contrast.called, atol=1e-4)
    assert Search(scene, torch.eye(4, 384), text=search._text, vocabulary=known).contrast.called is known.middles
