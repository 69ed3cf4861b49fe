"""The front page's picture, from a report's plots."""

import numpy as np
import pytest
from PIL import Image

from chorus.errors import MissingError
from chorus.evaluate import strip


@pytest.fixture
def plots(tmp_path):
    """Two rooms: of one and of two names; each tile in a colour of its own."""
    for room in ("plain", "rich"):
        for i, (_, name) in enumerate(strip.COLUMNS):
            for j, side in enumerate(("above", "inside")):
                tile = np.full((40, 60, 4), (40 * i, 100 * j, 200, 255), np.uint8)
                if room == "rich":
                    tile[:, :30] = (9, 9, 9, 0)  # transparent: shown as white
                Image.fromarray(tile).save(tmp_path / f"{room}_{name}_{side}.png")
    return tmp_path


def test_the_room_with_the_most_names_is_shown_tile_by_tile(plots):
    assert strip.richest(plots) == "rich"
    picture = np.array(strip.strip(plots, "rich"))
    for i in range(len(strip.COLUMNS)):
        left = i * (strip.WIDTH + strip.GAP)
        for j, top in enumerate((strip.CAPTION, strip.CAPTION + 200 + strip.GAP)):
            assert tuple(picture[top + 100, left + 250]) == (40 * i, 100 * j, 200)
            assert tuple(picture[top + 100, left + 50]) == (255, 255, 255)
        assert (picture[: strip.CAPTION, left : left + strip.WIDTH] < 128).any(), "a caption"


def test_a_picture_that_is_not_there_is_named(plots, tmp_path):
    (plots / "rich_truth_above.png").unlink(missing_ok=True)
    (plots / "rich_ground_truth_inside.png").unlink()
    with pytest.raises(MissingError, match="rich_ground_truth_inside.png: expected a picture of the report"):
        strip.strip(plots, "rich")
    with pytest.raises(MissingError, match="pictures of a room"):
        strip.richest(tmp_path / "absent")
