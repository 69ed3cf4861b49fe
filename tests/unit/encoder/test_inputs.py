from dataclasses import replace

import pytest
import torch

from chorus.encoder.inputs import InputConfig, rotation_matrices, splat_features, splat_normals, voxelize
from chorus.errors import InputError

SPLATS = InputConfig(variant="splats", grid_size=0.1)
POINTS = InputConfig(variant="points", grid_size=0.1)


def test_columns_of_the_splat_variant(make_room):
    room = make_room(50)
    voxels = voxelize(room, InputConfig(grid_size=1e-4))  # every Gaussian alone
    rows = voxels.feat[voxels.index]
    torch.testing.assert_close(rows[:, :3], room.rgb * 2 - 1)
    torch.testing.assert_close(rows[:, 3], room.opacities)
    torch.testing.assert_close(rows[:, 4:8], room.unit_quats)
    torch.testing.assert_close(rows[:, 8:], room.scales)


def test_upright_splats_know_their_height_and_normal(make_room):
    room = make_room(50)
    config = InputConfig(grid_size=1e-4, upright=True)
    voxels = voxelize(room, config)
    rows = voxels.feat[voxels.index]
    assert rows.shape[1] == config.channels == 15
    torch.testing.assert_close(rows[:, :11], splat_features(room))
    torch.testing.assert_close(rows[:, 11], room.means[:, 2] - room.means[:, 2].min())
    torch.testing.assert_close(rows[:, 12:], splat_normals(room))
    given = torch.nn.functional.normalize(torch.randn(50, 3, generator=torch.Generator().manual_seed(0)), dim=1)
    torch.testing.assert_close(voxelize(room, config, normals=given).feat[voxels.index][:, 12:], given)
    coarse = voxelize(make_room(500), replace(config, grid_size=0.1)).feat
    for part in (slice(4, 8), slice(12, 15)):
        torch.testing.assert_close(coarse[:, part].norm(dim=1), torch.ones(len(coarse)))


def test_columns_of_the_point_variant(make_room):
    room = make_room(400)
    rows = voxelize(room, InputConfig(variant="points", grid_size=1e-4)).feat
    low, high = rows[:, :3].amin(dim=0), rows[:, :3].amax(dim=0)
    torch.testing.assert_close((low + high)[:2], torch.zeros(2), atol=1e-5, rtol=0)
    assert float(low[2]) == 0.0
    torch.testing.assert_close(rows[:, 6:].norm(dim=1), torch.ones(len(rows)))


def test_a_voxel_is_the_mean_weighted_by_opacity(make_room):
    room = make_room(500)
    voxels = voxelize(room, SPLATS)
    voxel = int(torch.bincount(voxels.index).argmax())
    inside = voxels.index == voxel
    weight = room.opacities[inside]
    mean = ((room.rgb[inside] * 2 - 1) * weight[:, None]).sum(dim=0) / weight.sum()
    torch.testing.assert_close(voxels.feat[voxel, :3], mean)


@pytest.mark.parametrize("config", [SPLATS, POINTS, replace(SPLATS, voxel="first"), replace(SPLATS, upright=True)])
def test_order_of_gaussians_changes_no_bit(make_room, config):
    room = make_room(2000)
    room = room.select(torch.cat([torch.arange(2000), torch.arange(100)]))  # with exact duplicates
    order = torch.randperm(len(room), generator=torch.Generator().manual_seed(3))
    plain, mixed = voxelize(room, config), voxelize(room.select(order), config)
    assert torch.equal(plain.grid, mixed.grid)
    assert torch.equal(plain.feat, mixed.feat)
    assert torch.equal(plain.index[order], mixed.index)


def test_normals_face_the_middle_along_the_shortest_axis(make_room):
    room = make_room(200)
    normals = splat_normals(room)
    local = torch.einsum("nji,nj->ni", rotation_matrices(room.unit_quats), normals).abs()
    assert torch.equal(local.argmax(dim=1), room.log_scales.argmin(dim=1))
    middle = (room.means.amin(dim=0) + room.means.amax(dim=0)) / 2
    assert ((middle - room.means) * normals).sum(dim=1).min() >= 0


def test_one_gaussian_and_all_in_one_voxel(make_room):
    assert len(voxelize(make_room(1), SPLATS)) == 1
    room = make_room(100)
    assert len(voxelize(replace(room, means=room.means * 1e-6), SPLATS)) == 1


def test_scenes_that_cannot_be_encoded(make_room):
    room = make_room(100)
    with pytest.raises(InputError, match="at least one Gaussian"):
        voxelize(make_room(0), SPLATS)
    bad = room.means.clone()
    bad[3, 1] = float("nan")
    with pytest.raises(InputError, match="NaN or infinity in 1 of 100"):
        voxelize(replace(room, means=bad), SPLATS)
    with pytest.raises(InputError, match=r"grid of 0.1 m.*extent of 30\d\d\.\d x"):
        voxelize(replace(room, means=room.means * 1000), SPLATS)
    for normals in (torch.zeros(99, 3), torch.full((100, 3), float("nan"))):
        with pytest.raises(InputError, match=r"finite normals \[100, 3\]"):
            voxelize(room, POINTS, normals=normals)
    with pytest.raises(InputError, match="grid_size > 0"):
        InputConfig(grid_size=0.0)
    with pytest.raises(InputError, match="upright for splats alone"):
        InputConfig(variant="points", upright=True)


@pytest.mark.parametrize(("shrink", "measures"), [(1.0, r"3\d\d\d\.\d"), (0.1, r"3\d\d\.\d")])
def test_millimeters_are_noticed(make_room, shrink, measures):
    """A room, and a table top: not a kilometre wide in any unit."""
    room = make_room(100)
    with pytest.warns(UserWarning, match=rf"measures {measures} x .* millimetres"):
        voxelize(replace(room, means=room.means * 1000 * shrink, log_scales=room.log_scales + 6.9078), SPLATS)


def test_meters_are_not_taken_for_millimeters(make_room, recwarn):
    voxelize(make_room(100), SPLATS)
    assert not recwarn
