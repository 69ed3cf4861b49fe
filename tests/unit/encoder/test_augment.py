import math
from dataclasses import replace

import pytest
import torch

from chorus.encoder.augment import (
    Augmentation,
    augment,
    blind,
    euler_quat,
    flip,
    immature_blur,
    kept,
    quat_product,
    rescale,
    rotate,
    unseen_noise,
)
from chorus.encoder.inputs import (
    InputConfig,
    point_features,
    rotation_matrices,
    splat_features,
    splat_normals,
    voxelize,
)
from chorus.params import BlindParams


def covariances(scene):
    axes = rotation_matrices(scene.unit_quats) * scene.scales[:, None]
    return axes @ axes.transpose(1, 2)


def test_rotation_turns_means_and_covariances(make_room):
    room, quat = make_room(200), euler_quat(0.1, -0.2, 1.3)
    turned, rotation = rotate(room, quat), rotation_matrices(quat[None])[0]
    torch.testing.assert_close(turned.means, room.means @ rotation.T)
    torch.testing.assert_close(covariances(turned), rotation @ covariances(room) @ rotation.T, rtol=1e-4, atol=1e-7)


def test_angles_turn_x_then_y_then_z():
    c, s = math.cos(0.7), math.sin(0.7)
    about_z = torch.tensor([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(rotation_matrices(euler_quat(0, 0, 0.7)[None])[0], about_z)
    parts = [rotation_matrices(euler_quat(*a)[None])[0] for a in ((0.3, 0, 0), (0, 0.4, 0), (0, 0, 0.5))]
    torch.testing.assert_close(rotation_matrices(euler_quat(0.3, 0.4, 0.5)[None])[0], parts[2] @ parts[1] @ parts[0])


def test_quaternion_product_is_the_product_of_rotations():
    a, b = torch.nn.functional.normalize(torch.randn(2, 20, 4, generator=torch.Generator().manual_seed(0)), dim=-1)
    torch.testing.assert_close(
        rotation_matrices(quat_product(a, b)), rotation_matrices(a) @ rotation_matrices(b), rtol=1e-4, atol=1e-6
    )


def test_a_flip_mirrors_covariances(make_room):
    room = make_room(200)
    for axis in range(3):
        mirror = torch.eye(3)
        mirror[axis, axis] = -1
        flipped = flip(room, axis)
        torch.testing.assert_close(flipped.means, room.means @ mirror)
        torch.testing.assert_close(covariances(flipped), mirror @ covariances(room) @ mirror, rtol=1e-4, atol=1e-7)


def test_rescaling_scales_means_and_sizes(make_room):
    room = make_room(50)
    torch.testing.assert_close(covariances(rescale(room, 1.1)), covariances(room) * 1.21, rtol=1e-4, atol=1e-8)


def test_noise_moves_only_what_is_unseen_and_along_its_covariance(make_room):
    room = make_room(4000)
    opacities = torch.where(torch.arange(4000) % 2 == 0, torch.tensor(1e-4), torch.tensor(0.5))
    room = type(room)(**{**room.tensors(), "opacity_logits": torch.logit(opacities)})
    moves = unseen_noise(room, 10.0, torch.Generator().manual_seed(0)).means - room.means
    seen, unseen = opacities > 0.1, opacities < 0.1
    assert float(moves[seen].abs().max()) < 1e-6
    local = torch.einsum("nji,nj->ni", rotation_matrices(room.unit_quats), moves)[unseen]
    gate = torch.sigmoid(100 * ((1 - opacities[unseen]) - 0.995))
    expected = 10.0 * gate[:, None] * room.scales[unseen].square()  # the standard deviation along each axis
    assert 0.95 < float((local / expected).square().mean().sqrt()) < 1.05


def test_blur_grows_a_share_of_scales(make_room):
    room = make_room(4000)
    growth = (immature_blur(room, 0.1, 3.0, torch.Generator().manual_seed(0)).log_scales - room.log_scales).exp()
    assert 0.07 < float((growth[:, 0] > 1.0001).float().mean()) < 0.13
    assert float(growth.min()) > 0.999 and float(growth.max()) < 3.001
    torch.testing.assert_close(growth[:, 0], growth[:, 2])


def test_the_same_generator_gives_the_same_variant(make_room):
    room = make_room(100)
    one, two = (augment(room, Augmentation(), torch.Generator().manual_seed(7)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.tensors().values(), two.tensors().values(), strict=True))
    assert not torch.equal(one.means, augment(room, Augmentation(), torch.Generator().manual_seed(8)).means)


@pytest.mark.parametrize("config", [InputConfig(), InputConfig(upright=True), InputConfig(variant="points")])
def test_blinding_hides_whole_modalities_of_a_scene_as_often_as_asked(make_room, config):
    room = make_room(300)
    feat = voxelize(room, replace(config, grid_size=0.2)).feat
    shares = BlindParams(color=0.3, opacity=1.0, normal=0.0)
    hidden = dict.fromkeys(("color", "opacity", "normal"), 0)
    for seed in range(400):
        seen = blind(feat, config.columns, shares, torch.Generator().manual_seed(seed))
        for name, columns in config.columns.items():
            gone = bool((seen[:, columns] == 0).all())
            assert gone or torch.equal(seen[:, columns], feat[:, columns])  # all rows or none
            hidden[name] += gone
        rest = torch.ones(feat.shape[1], dtype=torch.bool)
        for columns in config.columns.values():
            rest[columns] = False
        assert torch.equal(seen[:, rest], feat[:, rest])
    assert abs(hidden["color"] / 400 - 0.3) < 0.08 and hidden["normal"] == 0
    assert hidden["opacity"] == (400 if config.variant == "splats" else 0)
    off = BlindParams(color=0.0, opacity=0.0, normal=0.0)
    assert blind(feat, config.columns, off, torch.Generator()) is feat


def test_blinded_columns_hold_what_they_are_named_after(make_room):
    room = make_room(200)
    normals = splat_normals(room)
    splats, points = splat_features(room, normals), point_features(room, normals)
    upright, cloud = InputConfig(upright=True).columns, InputConfig(variant="points").columns
    for rows, columns in ((splats, upright), (points, cloud)):
        assert torch.equal(rows[:, columns["color"]], room.rgb * 2 - 1)
        assert torch.equal(rows[:, columns["normal"]], normals)
    assert torch.equal(splats[:, upright["opacity"]], room.opacities[:, None])
    assert InputConfig().columns.keys() == {"color", "opacity"}


def test_jitter_and_dropout_are_off_and_do_what_they_say(make_room):
    room = make_room(4000)
    still = Augmentation(spin=0, tilt=0, scale=0, flip=0, unseen_noise=0, blur_share=0)
    moved = augment(room, replace(still, jitter=0.01), torch.Generator().manual_seed(0)).means - room.means
    assert torch.allclose(augment(room, still, torch.Generator().manual_seed(0)).means, room.means, atol=1e-5)
    assert 0.009 < float(moved.std()) < 0.011 and float(moved.abs().max()) < 0.0401
    counts = [len(kept(1000, 0.4, torch.Generator().manual_seed(seed))) for seed in range(200)]
    whole = sum(count == 1000 for count in counts)
    assert 70 < whole < 130 and all(520 < count < 680 for count in counts if count < 1000)
    assert len(kept(5, 1.0, torch.Generator().manual_seed(3))) >= 1
    assert Augmentation().jitter == Augmentation().dropout == 0
