"""Depth images that are more than any camera measures are refused before they are decoded."""

import numpy as np
import pytest
from PIL import Image

from chorus.errors import InputError
from chorus.sources import depth


def test_a_depth_image_that_is_too_large_is_refused(tmp_path, monkeypatch):
    Image.fromarray(np.full((6, 5), 1500, np.uint16)).save(tmp_path / "a.png")
    assert depth.read_depth(tmp_path / "a.png").meters[0, 0] == pytest.approx(1.5)
    monkeypatch.setattr(depth, "MOST_PIXELS", 29)
    with pytest.raises(InputError, match="a depth image of at most 0 million pixels, got 5 x 6. Scale it down"):
        depth.read_depth(tmp_path / "a.png")
