import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from chorus.errors import InputError
from chorus.frames import Frame


def test_moves_add_up_and_lead_back():
    draw, frame = np.random.default_rng(0), Frame(offset=(691234.25, 5334567.75, 515.5))
    points = draw.normal(size=(50, 3))
    ours = points
    for seed in range(3):
        turn, shift, scale = Rotation.random(random_state=seed).as_matrix(), draw.normal(size=3), 1.7
        ours, frame = scale * ours @ turn.T + shift, frame.moved(turn, scale=scale, shift=shift)
    file = points + np.array([691234.25, 5334567.75, 515.5])
    assert np.abs(frame.to_file(ours) - file).max() < 1e-8 and np.abs(frame.from_file(file) - ours).max() < 1e-7
    assert Frame.from_json(frame.to_json()) == frame


def test_a_unit_that_is_not_known_is_no_metre():
    assert Frame().label == "m" and Frame(unit="unknown").label == "units"
    assert "scale unknown" in Frame(unit="unknown").says()
    assert "within 20%" in Frame(unit_known="estimated", unit_error=0.2).says()


def test_what_is_no_frame():
    with pytest.raises(InputError, match="cameras.json"):
        Frame.from_json({"up": "file"}, where="cameras.json")
