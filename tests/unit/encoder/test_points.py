import numpy as np
import pytest
import torch

import chorus
from chorus.encoder.inputs import InputConfig, splat_normals, voxelize
from chorus.encoder.points import scene_of_points
from chorus.errors import InputError
from chorus.io import PointCloud, write_points, write_scene
from tests.unit.io.splat_files import write


@pytest.fixture
def cloud():
    """Two walls and a floor, and their normals."""
    draw = np.random.default_rng(0)
    points = draw.random((1500, 3)) * [3.0, 2.0, 2.5]
    points[:500, 0], points[500:1000, 1], points[1000:, 2] = 0.0, 0.0, 0.0
    return points, np.repeat(np.eye(3), 500, axis=0), draw.integers(0, 256, (1500, 3)).astype(np.uint8)


def inner(points):
    return ((points > 0.25).sum(axis=1) >= 2) & (points.max(axis=1) < 2.4)


def test_normals_are_estimated_where_absent(cloud):
    points, normals, colors = cloud
    rows = torch.from_numpy(inner(points))
    for scene in (scene_of_points(points, colors), scene_of_points(points, colors, -normals)):
        cosine = (splat_normals(scene) * torch.from_numpy(normals).float()).sum(dim=1)
        assert float(cosine[rows].min()) > 0.9  # towards the middle of the scene


def test_a_file_of_bare_points_is_read_and_encoded(cloud, tmp_path):
    points, normals, colors = cloud
    write_points(
        tmp_path / "points.ply",
        PointCloud(points=points.astype(np.float32), colors=colors, normals=normals.astype(np.float32)),
    )
    scene = chorus.read(tmp_path / "points.ply")
    voxels = voxelize(scene, InputConfig(variant="points", grid_size=1e-3))
    torch.testing.assert_close(
        voxels.feat[voxels.index][:, 3:6], torch.from_numpy(colors / 127.5 - 1).float(), atol=1e-4, rtol=0
    )


def test_surveyed_points_keep_their_digits_and_say_what_their_file_says(cloud, tmp_path):
    points, _, colors = cloud
    table = dict(zip("xyz", (points + [691234.25, 5334567.75, 515.5]).T, strict=True))
    table |= dict(zip(("red", "green", "blue"), colors.T, strict=True))
    table["x"][3] = np.nan
    types = dict.fromkeys("xyz", "f8") | dict.fromkeys(("red", "green", "blue"), "u1")
    path = write(tmp_path / "a.ply", table, types=types, head=("comment Vertical axis: z", "comment Unit: m"))
    scene = chorus.read(path)
    assert scene.frame.up == scene.frame.unit_known == "file" and "1 of 1500 points" in scene.report.notes[0]
    back = scene.frame.to_file(scene.means.numpy()) - [691234.25, 5334567.75, 515.5]
    np.testing.assert_allclose(back, np.delete(points, 3, axis=0), atol=1e-6)
    with pytest.raises(InputError, match="single floats so far from the origin"):
        chorus.read(write(path, table, types=dict.fromkeys("xyz", "f4") | types | dict.fromkeys("xyz", "f4")))


def test_gaussians_stay_gaussians(make_room, tmp_path):
    room = make_room(20)
    write_scene(tmp_path / "scene.ply", room)
    assert torch.equal(chorus.read(tmp_path / "scene.ply").log_scales, room.log_scales)


def test_too_few_points():
    with pytest.raises(InputError, match="at least 4 finite points"):
        scene_of_points(np.zeros((3, 3)))
