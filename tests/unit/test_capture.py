from dataclasses import replace

import numpy as np
import pytest

from chorus.cameras import Cameras, look_at
from chorus.capture import Capture
from chorus.errors import InputError


def capture(views=9, height=6, width=8):
    rng = np.random.default_rng(0)
    pose = np.stack([look_at([0, 0, 1], [1, i - 4.0, 1]) for i in range(views)])
    return Capture(
        images=rng.integers(0, 255, (views, height, width, 3), dtype=np.uint8),
        cameras=Cameras(
            K=np.tile(np.diag([8.0, 8, 1]), (views, 1, 1)), cam_from_world=pose, width=width, height=height
        ),
        depth=rng.integers(0, 4000, (views, height, width)).astype(np.float32) / 1000,
        semantic=rng.integers(0, 3, (views, height, width), dtype=np.uint8),
        instance=rng.integers(0, 300, (views, height, width), dtype=np.uint16),
        class_names=("unlabelled", "wall", "chair"),
        points=rng.normal(size=(4, 3)).astype(np.float32),
        point_colors=rng.integers(0, 255, (4, 3), dtype=np.uint8),
        info={"home": "studio"},
    )


def test_round_trip_is_exact(tmp_path):
    original = capture()
    original.save(tmp_path / "capture")
    again = Capture.load(tmp_path / "capture")
    for name in ("images", "semantic", "instance", "points", "point_colors"):
        assert np.array_equal(getattr(again, name), getattr(original, name)), name
    assert np.allclose(again.depth, original.depth, atol=5e-4)
    assert np.allclose(again.cameras.cam_from_world, original.cameras.cam_from_world)
    assert again.class_names == original.class_names and again.info == original.info


def test_the_same_capture_writes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        capture().save(tmp_path / name)
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_every_eighth_view_is_held_out():
    assert np.flatnonzero(capture(20).held_out).tolist() == [7, 15]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"images": np.zeros((9, 6, 8, 3), np.float32)}, "uint8 images"),
        ({"depth": np.full((9, 6, 8), np.nan, np.float32)}, "finite depth"),
        ({"semantic": np.full((9, 6, 8), 7, np.uint8)}, "class ids below 3"),
        ({"instance": np.zeros((9, 5, 8), np.uint16)}, "instance of shape"),
    ],
)
def test_bad_captures_are_refused(change, says):
    with pytest.raises(InputError, match=says):
        replace(capture(), **change).validate()


def test_damaged_folders_name_the_file(tmp_path):
    capture().save(tmp_path)
    (tmp_path / "images" / "0003.png").write_bytes(b"not a png")
    with pytest.raises(InputError, match="0003.png"):
        Capture.load(tmp_path)
    (tmp_path / "cameras.json").write_text("{")
    with pytest.raises(InputError, match="cameras.json"):
        Capture.load(tmp_path)


def wall(shifts, *, depth=2.0):
    """Views of a wall straight ahead, each moved aside by so many metres; a view is 4 m wide there."""
    pose = np.stack([look_at([0, s, 1], [1, s, 1]) for s in shifts])
    K = np.array([[32.0, 0, 32], [0, 32, 32], [0, 0, 1]])
    cameras = Cameras(K=np.repeat(K[None], len(shifts), axis=0), cam_from_world=pose, width=64, height=64)
    images = np.zeros((len(shifts), 64, 64, 3), np.uint8)
    return Capture(images=images, cameras=cameras, depth=np.full((len(shifts), 64, 64), depth, np.float32))


def test_overlap_is_the_share_a_neighbor_shows_too():
    assert wall([0.0, 1.0]).overlap(0) == pytest.approx(0.75)
    assert wall([0.0, 2.0, 1.0]).overlap(0) == pytest.approx(0.75)  # the best neighbour counts
    assert wall([0.0, 9.0, 9.0, 9.0, 0.0]).overlap(0) == 0.0  # four views apart is no neighbour
    assert wall([0.0]).overlap(0) == 1.0


def test_overlap_leaves_out_what_is_hidden_and_needs_depth():
    views = wall([0.0, 0.0])
    views.depth[1] = 1.0  # something stands in front
    assert views.overlap(0) == 0.0
    views.depth[1] = 0.0
    assert views.overlap(1) == 0.0 and replace(views, depth=None).overlap(0) == 0.0


def test_it_prints_one_line_of_what_it_holds():
    said = repr(capture())
    assert said.startswith("Capture(9 views of 8 x 6; depth; labels of 2 classes; 4 points; standing in 0.00 x")
    assert said.endswith("z up, as the file says; lengths in m, as the file says)") and "\n" not in said
    bare = replace(capture(), depth=None, semantic=None, instance=None, class_names=(), points=None)
    assert repr(bare).startswith("Capture(9 views of 8 x 6; standing in")
