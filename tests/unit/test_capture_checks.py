"""The rules of a capture, each broken in turn."""

from dataclasses import replace

import numpy as np
import pytest

from chorus.capture_checks import RULES, capture_row, check_capture, passed
from chorus.errors import InputError
from chorus.frames import Frame


def test_a_good_room_has_no_error(sharp_room):
    assert not [finding for finding in check_capture(sharp_room) if finding.severity == "error"]


def test_a_rendered_home_lists_the_models_it_left_out(sharp_room):
    assert capture_row(replace(sharp_room, info={"missing": ["piano"]}))["skipped"] == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda c: replace(c, images=np.zeros_like(c.images)), "neither black nor white"),
        (lambda c: replace(c, images=np.full_like(c.images, 120)), "views that are not blank"),
        (lambda c: replace(c, depth=np.zeros_like(c.depth)), "depth in most views"),
        (lambda c: replace(c, depth=c.depth * 1000), "to the surface"),
        (lambda c: replace(c, mask=np.zeros(c.images.shape[:3], bool)), "invert them"),
        (lambda c: replace(c, info={"measured": {"agreement": 0.02}}), "poses that the photos agree with"),
        (lambda c: replace(c, info={"measured": {"depth_ratio": 5.0}}), "--depth-scale 5000"),
        (lambda c: replace(c, info={"measured": {"depth_ratio": 5.0}, "depth_scale": 200.0}), "--depth-scale 1000"),
        (lambda c: replace(c, depth=None, info={"measured": {"parallax": 0.2}}), "only turned"),
        (lambda c: replace(c, depth=None, info={"measured": {"baseline": 0.0}}), "only turned"),
    ],
)
def test_errors_say_what_to_do_in_one_line(sharp_room, change, says):
    with pytest.raises(InputError, match=says) as caught:
        passed(change(sharp_room), "room")
    assert "\n" not in str(caught.value)


def test_warnings_let_it_pass(sharp_room):
    capture = replace(sharp_room, info={"skipped": {"photos absent": 9}, "measured": {"agreement": 0.3}})
    assert len(passed(capture, "room")) == len(passed(sharp_room, "room")) + 2


def test_a_few_bad_views_stop_nobody(sharp_room):
    images = sharp_room.images.copy()
    images[3] = 0
    assert passed(replace(sharp_room, images=images), "room") == passed(sharp_room, "room")


def test_a_scale_that_is_not_known_is_not_judged(sharp_room):
    capture = replace(sharp_room, depth=sharp_room.depth * 1000, frame=Frame(unit="unknown"))
    assert "extent" not in capture_row(capture)


def test_every_rule_has_a_limit_and_an_advice():
    assert all((rule.low is not None or rule.high is not None) and rule.fix and rule.says for rule in RULES)
