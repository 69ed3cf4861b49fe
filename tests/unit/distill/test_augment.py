import math

import torch

from chorus.distill.augment import (
    Augmentation,
    augment,
    euler_quat,
    flip,
    immature_blur,
    quat_product,
    rescale,
    rotate,
    unseen_noise,
)
from chorus.encoder.inputs import rotation_matrices


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
