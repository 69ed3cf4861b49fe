import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from chorus.encoder.inputs import rotation_matrices
from chorus.io import read_ply, write_ply
from chorus.moving import file_means, in_file_frame, move, turned_harmonics
from chorus.scene import GaussianScene
from chorus_kernels.reference import spherical_harmonics

TURNS = {
    "any": Rotation.random(random_state=4).as_matrix(),
    "quarter": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]]),
    "half": np.diag([1, -1, -1.0]),
    "mirror": np.diag([-1.0, 1, 1]),
    "point": -np.eye(3),
}


@pytest.fixture
def scene() -> GaussianScene:
    draw = torch.Generator().manual_seed(3)
    shapes = {"means": (30, 3), "quats": (30, 4), "log_scales": (30, 3), "opacity_logits": (30,), "sh": (30, 16, 3)}
    return GaussianScene(**{name: torch.randn(shape, generator=draw) for name, shape in shapes.items()})


def covariances(scene: GaussianScene) -> torch.Tensor:
    axes = rotation_matrices(scene.unit_quats.double()) * scene.scales.double()[:, None]
    return axes @ axes.transpose(1, 2)


@pytest.mark.parametrize("kind", TURNS)
def test_positions_shapes_and_colors_turn_together(scene, kind):
    turn = torch.from_numpy(TURNS[kind])
    moved = move(scene, turn=TURNS[kind], scale=2.5)
    torch.testing.assert_close(moved.means.double(), 2.5 * scene.means.double() @ turn.T, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(covariances(moved), 6.25 * turn @ covariances(scene) @ turn.T, rtol=1e-3, atol=1e-4)
    directions = torch.nn.functional.normalize(torch.randn(30, 3, dtype=torch.float64), dim=1)
    seen = spherical_harmonics(3, directions @ turn.T, moved.sh.double())  # the same direction, in the turned axes
    torch.testing.assert_close(seen, spherical_harmonics(3, directions, scene.sh.double()), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", TURNS)
def test_the_way_back_and_what_is_written(tmp_path, scene, kind):
    moved = move(scene, turn=TURNS[kind], scale=40.0)
    np.testing.assert_allclose(file_means(moved), scene.means, atol=1e-5)
    back = in_file_frame(moved)
    torch.testing.assert_close(covariances(back), covariances(scene), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(back.sh, scene.sh, rtol=1e-4, atol=1e-4)
    write_ply(tmp_path / "scene.ply", moved)
    torch.testing.assert_close(read_ply(tmp_path / "scene.ply").means, scene.means, rtol=1e-5, atol=1e-5)


def test_harmonics_turn_without_loss():
    matrix = turned_harmonics(3, TURNS["any"])
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(16, dtype=torch.float64), rtol=0, atol=1e-12)
