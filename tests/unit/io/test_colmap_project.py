"""Captures written as COLMAP projects, read back by ours and by COLMAP itself."""

import dataclasses

import numpy as np
import pytest

from chorus.errors import InputError
from chorus.frames import Frame
from chorus.incoming import IngestOptions
from chorus.io.colmap import read_colmap
from chorus.io.colmap_project import write_colmap
from chorus.params import CaptureParams
from chorus.sources import ingest

PARAMS = CaptureParams(views=1, width=1, height=1, photo_long_side=2000, rgbd_long_side=160, max_views=50)
TURN = ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


@pytest.fixture
def capture(sharp_room):
    draw = np.random.default_rng(0)
    points = draw.uniform(-1, 1, (40, 3)).astype(np.float32)
    mask = np.ones(sharp_room.images.shape[:3], bool)
    mask[:, :5] = False
    return dataclasses.replace(sharp_room, depth=None, semantic=None, instance=None, points=points, mask=mask)


@pytest.mark.parametrize(
    "frame",
    [Frame(), Frame(rotation=TURN, scale=0.25, offset=(500123.5, 5412345.25, 431.0), up="estimated", unit="unknown")],
)
def test_round_trip_through_the_files_own_frame(capture, frame, tmp_path):
    capture = dataclasses.replace(capture, frame=frame)
    assert write_colmap(tmp_path / "room", capture) == []
    model = read_colmap(tmp_path / "room" / "sparse" / "0")
    assert len(model.images) == len(capture) and len(model.points) == 40
    again = ingest(tmp_path / "room", PARAMS, IngestOptions(up="z"))
    assert np.array_equal(again.images, capture.images) and np.array_equal(again.mask, capture.mask)
    want, got = (c.frame.to_file(c.cameras.positions) for c in (capture, again))
    assert np.abs(want - got).max() < 1e-6 * max(1, np.abs(frame.offset).max() / 1e3)
    assert np.allclose(again.frame.to_file(again.points), frame.to_file(capture.points), atol=1e-4 / frame.scale)
    assert np.allclose(again.cameras.K, capture.cameras.K)
    directions = [np.asarray(c.frame.rotation).T @ c.cameras.world_from_cam[:, :3, 2, None] for c in (capture, again)]
    assert np.allclose(*directions, atol=1e-9)


def test_colmap_reads_it(capture, tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    write_colmap(tmp_path / "room", capture)
    model = pycolmap.Reconstruction(str(tmp_path / "room" / "sparse" / "0"))
    poses = {image.name: image.cam_from_world().matrix() for image in model.images.values()}
    for view, pose in enumerate(capture.cameras.cam_from_world):
        assert np.allclose(poses[f"{view:04d}.png"], pose[:3], atol=1e-12)
    assert model.num_points3D() == 40 and model.num_reg_images() == len(capture)


def test_what_colmap_has_no_place_for_is_said(sharp_room, tmp_path):
    said = " ".join(write_colmap(tmp_path / "room", sharp_room))
    assert "depth" in said and "labels" in said
    upright = dataclasses.replace(sharp_room, frame=Frame(rotation=TURN, scale=2.0))
    write_colmap(tmp_path / "upright", upright, upright=True)
    again = ingest(tmp_path / "upright", PARAMS, IngestOptions(up="keep", scale=1.0))
    assert np.allclose(again.cameras.positions, sharp_room.cameras.positions, atol=1e-6)


def test_a_damaged_model_is_named(capture, tmp_path):
    write_colmap(tmp_path / "room", capture)
    path = tmp_path / "room" / "sparse" / "0" / "images.txt"
    path.write_text(path.read_text()[:400])
    with pytest.raises(InputError, match="images.txt"):
        ingest(tmp_path / "room", PARAMS)
