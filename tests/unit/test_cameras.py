import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chorus.cameras import Cameras, from_opengl, look_at, to_opengl
from chorus.errors import InputError

finite = st.floats(-5, 5, allow_nan=False)
points = st.tuples(finite, finite, finite)


def cameras(views=3):
    K = np.tile(np.array([[100.0, 0, 32], [0, 100, 24], [0, 0, 1]]), (views, 1, 1))
    pose = np.stack([look_at([i, 0, 1], [i + 1.0, 2, 1]) for i in range(views)])
    return Cameras(K=K, cam_from_world=pose, width=64, height=48)


@given(points, points)
def test_look_at_puts_the_target_on_the_optical_axis(eye, target):
    if np.linalg.norm(np.subtract(eye, target)) < 1e-2:
        return
    pose = look_at(eye, target)
    seen = pose @ np.append(target, 1.0)
    assert np.allclose(seen[:2], 0, atol=1e-6) and seen[2] > 0
    assert np.allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9) and np.linalg.det(pose[:3, :3]) > 0


def test_look_at_keeps_up_upwards():
    pose = look_at([0, 0, 1], [3, 0, 1])
    above = pose @ np.array([3, 0, 2, 1.0])
    assert above[1] < 0  # y points down in the image


def test_opengl_round_trip_and_axes():
    pose = look_at([1, 2, 3], [0, 0, 1])
    opengl = to_opengl(pose)
    assert np.allclose(from_opengl(opengl), pose)
    assert np.allclose(opengl[:3, 3], [1, 2, 3])
    forward = np.array([0, 0, 1.0]) - [1, 2, 3]
    assert np.allclose(-opengl[:3, 2], forward / np.linalg.norm(forward))  # looks along -z


def test_positions_select_resize_and_move():
    c = cameras()
    assert np.allclose(c.positions, [[0, 0, 1], [1, 0, 1], [2, 0, 1]])
    assert len(c.select(np.array([True, False, True]))) == 2
    small = c.resized(32, 24)
    assert small.K[0, 0, 0] == 50 and small.K[0, 1, 2] == 12
    shift = np.eye(4)
    shift[:3, 3] = [5, 0, 0]
    assert np.allclose(c.moved(shift).positions[:, 0], [5, 6, 7])


@pytest.mark.parametrize("change", [{"K": np.zeros((3, 3))}, {"K": np.full((3, 3, 3), np.nan)}, {"width": 0}])
def test_bad_cameras_are_refused(change):
    good = cameras()
    fields = {"K": good.K, "cam_from_world": good.cam_from_world, "width": 64, "height": 48, **change}
    with pytest.raises(InputError, match="cameras"):
        Cameras(**fields)


def test_projection_is_opencv_s():
    c, world = cameras(), np.random.default_rng(0).uniform([2, 1, 0], [4, 4, 2], (50, 3))
    pixels, depth = c.project(1, world)
    pose = c.cam_from_world[1]
    expected, _ = cv2.projectPoints(world, cv2.Rodrigues(pose[:3, :3])[0], pose[:3, 3], c.K[1], None)
    assert np.allclose(pixels, expected[:, 0], atol=1e-6)
    assert np.allclose(depth, (pose @ np.c_[world, np.ones(50)].T)[2])


def test_what_a_pixel_s_depth_unprojects_to_projects_to_its_center():
    c = cameras()
    depth = np.random.default_rng(0).uniform(0.5, 5, (48, 64)).astype(np.float32)
    for stride in (1, 5):
        pixels, seen = c.project(2, c.unproject(2, depth, stride=stride))
        rows, columns = np.mgrid[0:48:stride, 0:64:stride]
        assert np.allclose(pixels, np.stack([columns, rows], axis=-1) + 0.5, atol=1e-9)
        assert np.allclose(seen, depth[::stride, ::stride])
    assert np.allclose(c.unproject(2, np.zeros((48, 64))), c.positions[2])


def test_points_behind_a_camera_land_outside_its_image():
    c = cameras()
    behind = 2 * c.positions[0] - c.to_world(0, np.array([[0.1, 0.1, 2.0]]))
    pixels, depth = c.project(0, behind)
    assert depth[0] < 0 and np.abs(pixels).min() > 1e6


def test_world_and_camera_frames_undo_each_other():
    c, points = cameras(), np.random.default_rng(1).normal(size=(4, 5, 3))
    assert np.allclose(c.to_camera(1, c.to_world(1, points)), points)
    assert np.allclose(c.to_world(1, np.zeros(3)), c.positions[1])


def test_they_print_one_line_of_what_they_are():
    assert repr(cameras()) == "Cameras(3 views of 64 x 48; 35 degrees across; standing in 2.00 x 0.00 x 0.00)"
    assert repr(cameras().select(slice(0, 0))) == "Cameras(0 views of 64 x 48)"
    K = cameras().K.copy()
    K[1, 0, 0] = 32.0
    wide = Cameras(K=K, cam_from_world=cameras().cam_from_world, width=64, height=48)
    assert "35 to 90 degrees across" in repr(wide)
