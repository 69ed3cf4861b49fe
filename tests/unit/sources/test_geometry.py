import dataclasses

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from chorus.cameras import Cameras, look_at
from chorus.errors import InputError
from chorus.sources.calibrate import calibrate
from chorus.sources.triangulate import match_views, triangulate
from chorus.sources.upright import camera_up, floor_height, level_up, upright


def test_triangulated_points_lie_on_the_walls(sharp_room):
    matches = match_views(sharp_room.images, sharp_room.cameras)
    points, colors = triangulate(matches, sharp_room.images, sharp_room.cameras)
    assert len(points) == len(colors) > 100
    distance = np.stack(
        [2 - np.abs(points[:, 0]), 1.5 - np.abs(points[:, 1]), np.abs(points[:, 2]), 2.4 - points[:, 2]]
    )
    assert np.median(np.abs(distance).min(axis=0)) < 0.05


def test_nothing_to_match(sharp_room):
    blank = np.full_like(sharp_room.images, 90)
    assert triangulate(match_views(blank, sharp_room.cameras), blank, sharp_room.cameras) == (None, None)


def test_a_wrong_focal_length_is_found(sharp_room):
    K = sharp_room.cameras.K.copy()
    K[:, 0, 0] *= 1.1
    K[:, 1, 1] *= 1.1
    given = dataclasses.replace(sharp_room.cameras, K=K)
    found = calibrate(match_views(sharp_room.images, given), given)
    assert found.after < 0.6 * found.before
    assert abs(found.cameras.K[0, 0, 0] / sharp_room.cameras.K[0, 0, 0] - 1) < 0.03


def test_a_right_calibration_stands(sharp_room):
    found = calibrate(match_views(sharp_room.images, sharp_room.cameras), sharp_room.cameras)
    assert np.abs(found.cameras.K - sharp_room.cameras.K).max() < 0.02 * sharp_room.cameras.K[0, 0, 0]
    assert np.linalg.norm(found.cameras.positions - sharp_room.cameras.positions, axis=1).max() < 0.03


@pytest.mark.parametrize("seed", range(4))
def test_any_frame_becomes_upright(sharp_room, seed):
    draw = np.random.default_rng(seed)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    turn[:3, 3] = draw.normal(size=3) * 5
    capture = upright(dataclasses.replace(sharp_room, cameras=sharp_room.cameras.moved(turn)))
    up = capture.cameras.cam_from_world[:, :3, 2] - sharp_room.cameras.cam_from_world[:, :3, 2]
    assert np.abs(up).max() < 0.01 and np.abs(capture.cameras.positions[:, 2] - 1.3).max() < 0.03
    points = capture.cameras.unproject(0, capture.depth[0])
    assert points[..., 2].min() > -0.03


def test_level_surfaces_refine_the_cameras(sharp_room):
    normals = np.concatenate(
        [np.tile([0, 0, 1.0], (100, 1)), np.tile([1.0, 0, 0], (100, 1)), np.random.default_rng(0).normal(size=(20, 3))]
    )
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    tilted = np.array([0.2, -0.1, 1.0]) / np.linalg.norm([0.2, -0.1, 1.0])
    assert level_up(normals, tilted) @ [0, 0, 1] > np.cos(np.radians(1.5))


def test_floor_is_the_lowest_level_many_share():
    draw = np.random.default_rng(0)
    heights = np.concatenate(
        [draw.normal(0.1, 0.005, 500), draw.normal(0.9, 0.005, 2000), draw.uniform(0.1, 2.5, 3000), [-3.0] * 5]
    )
    assert abs(floor_height(heights) - 0.1) < 0.02
    assert abs(floor_height(draw.uniform(1, 2, 500)) - 1.0) < 0.06


def test_cameras_held_every_way_up():
    poses = np.stack([look_at([0, 0, 0], [1, 0, 0], up) for up in ((0, 0, 1), (0, 0, -1), (0, 1, 0), (0, -1, 0))])
    with pytest.raises(InputError, match="cancel out"):
        camera_up(Cameras(K=np.repeat(np.eye(3)[None], 4, axis=0), cam_from_world=poses, width=4, height=4))
