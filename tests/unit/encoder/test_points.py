import numpy as np
import pytest
import torch

import chorus
from chorus.encoder.inputs import InputConfig, splat_normals, voxelize
from chorus.encoder.points import scene_of_points
from chorus.errors import InputError
from chorus.io import PointCloud, write_points, write_scene


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


def test_gaussians_stay_gaussians(make_room, tmp_path):
    room = make_room(20)
    write_scene(tmp_path / "scene.ply", room)
    assert torch.equal(chorus.read(tmp_path / "scene.ply").log_scales, room.log_scales)


def test_too_few_points():
    with pytest.raises(InputError, match="at least 4 finite points"):
        scene_of_points(np.zeros((3, 3)))
