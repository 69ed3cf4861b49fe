import numpy as np
import pytest

from chorus.cameras import Cameras, look_at
from chorus.frames import Frame
from chorus.view.ruler import draw_ruler, round_length, ruler_text


@pytest.mark.parametrize(("most", "length"), [(0.9, 0.5), (1.0, 1.0), (1.99, 1.0), (2.5, 2.0), (7, 5.0), (0.03, 0.02)])
def test_lengths_are_round(most, length):
    assert round_length(most) == pytest.approx(length)


def test_what_is_not_known_is_never_called_metres():
    assert ruler_text(1, Frame(unit="unknown", unit_known="assumed")) == "1 unit"
    assert ruler_text(0.5, Frame(unit="unknown")) == "0.5 units"
    assert ruler_text(2, Frame(unit_known="estimated", unit_error=0.2)) == "2 m, estimated within 20%"
    assert ruler_text(2, Frame(unit_known="given")) == "2 m"


def test_the_bar_is_as_long_as_that_length_is_in_the_picture():
    K = np.array([[[300.0, 0, 160], [0, 300, 120], [0, 0, 1]]])
    pose = look_at(np.array([0, 0, 10.0]), np.zeros(3), up=(0, 1.0, 0))
    camera = Cameras(K=K, cam_from_world=pose[None], width=320, height=240)
    drawn = draw_ruler(np.full((240, 320, 3), 255, np.uint8), camera, height=1.0, frame=Frame())
    dark = (drawn.max(axis=2) < 100).sum(axis=1).max()  # the longest row
    ends, _ = camera.project(0, np.array([[0, 0, 1.0], [2, 0, 1.0]]))
    assert dark == pytest.approx(np.ptp(ends[:, 0]), abs=2)
