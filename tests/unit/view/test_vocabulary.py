"""What was embedded before is what the text tower says now."""

import numpy as np
import torch

from chorus.view.ask import Search
from chorus.view.vocabulary import ELSEWHERE, HELD, vocabulary_of
from release.words import words


def test_what_was_embedded_before_is_what_the_words_are(make_room):
    known, anew = vocabulary_of("embedded"), words()
    assert known.embedded is not None and anew.shape == (2 * len(HELD) + len(ELSEWHERE), 384)
    np.testing.assert_allclose(known.embedded, anew, atol=1e-4, err_msg="run: python release/words.py")

    def text(prompts):
        raise AssertionError("a search embeds its question alone")

    contrast = Search(make_room(4), torch.eye(4, 384), text=text, vocabulary=known).contrast
    assert [len(part) for part in contrast] == [len(HELD), len(HELD), len(ELSEWHERE), 0]
    assert (np.concatenate(contrast[:3]) == known.embedded).all()
