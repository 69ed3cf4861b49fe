"""Questions in their parts, and colors by name."""

import colorsys

import numpy as np
import pytest

from chorus.view.phrase import GRAYS, HUES, Phrase, color_share, parse


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("a chair", Phrase("a chair")),
        ("  a   chair ", Phrase("a chair")),
        ("a chair, not an armchair", Phrase("a chair", without="an armchair")),
        ("a chair but not an armchair", Phrase("a chair", without="an armchair")),
        ("a chair by the window", Phrase("a chair", near="the window")),
        ("the lamp next to my bed", Phrase("the lamp", near="my bed")),
        ("a red chair", Phrase("a chair", color="red")),
        ("something red to sit on", Phrase("something to sit on", color="red")),
        ("a Grey sofa near the tv, not a bed", Phrase("a sofa", without="a bed", near="the tv", color="grey")),
        ("something red", Phrase("something red")),
        ("red", Phrase("red")),
        ("a cupboard", Phrase("a cupboard")),  # red inside a word is none
        ("a stand-by light", Phrase("a stand-by light")),
    ],
)
def test_parts(words, parts):
    assert parse(words) == parts


@pytest.mark.parametrize("color", HUES)
def test_a_color_bears_its_own_name_best(color):
    pure = np.array([colorsys.hsv_to_rgb(hue / 360, 0.9, 0.8) for hue in HUES.values()])
    share = color_share(pure, color)
    assert share[list(HUES).index(color)] > 0.95
    apart = [abs((hue - HUES[color] + 180) % 360 - 180) for hue in HUES.values()]
    assert all(share[i] < 0.1 for i, gap in enumerate(apart) if gap > 50)
    assert color_share(np.full((1, 3), 0.5), color)[0] < 0.01


@pytest.mark.parametrize("color", GRAYS)
def test_grays_have_no_hue(color):
    assert color_share(np.full((1, 3), GRAYS[color]), color)[0] > 0.95
    assert color_share(np.array([[0.9, 0.1, 0.1]]), color)[0] < 0.05


def test_brown_is_dark_orange():
    assert color_share(np.array([[0.45, 0.27, 0.12]]), "brown")[0] > 0.5
    assert color_share(np.array([[1.0, 0.6, 0.2], [0.1, 0.2, 0.8]]), "brown").max() < 0.1
