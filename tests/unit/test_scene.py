import pytest
import torch

from chorus.errors import InputError
from chorus.scene import GaussianScene, scene_from_colors


def scene(n=5):
    g = torch.Generator().manual_seed(0)
    return scene_from_colors(
        torch.randn(n, 3, generator=g),
        torch.randn(n, 4, generator=g),
        torch.rand(n, 3, generator=g) + 0.01,
        torch.rand(n, generator=g),
        torch.rand(n, 3, generator=g),
    )


def test_activated_values_come_back():
    g = torch.Generator().manual_seed(1)
    scales, opacities, rgb = (
        torch.rand(4, 3, generator=g) + 0.01,
        torch.rand(4, generator=g),
        torch.rand(4, 3, generator=g),
    )
    s = scene_from_colors(torch.zeros(4, 3), torch.tensor([[-2.0, 0, 0, 0]]).repeat(4, 1), scales, opacities, rgb)
    assert (
        torch.allclose(s.scales, scales)
        and torch.allclose(s.opacities, opacities, atol=1e-5)
        and torch.allclose(s.rgb, rgb, atol=1e-6)
    )
    assert torch.equal(s.unit_quats, torch.tensor([[1.0, 0, 0, 0]]).repeat(4, 1)) and s.sh_degree == 0


def test_select_and_move():
    s = scene()
    assert len(s.select(torch.tensor([0, 3]))) == 2
    assert torch.allclose(s.translated(torch.tensor([1.0, 0, 0])).means[:, 0], s.means[:, 0] + 1)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("quats", torch.zeros(5, 3), "quats of shape"),
        ("means", torch.full((5, 3), float("nan")), "finite means"),
        ("opacity_logits", torch.tensor([0.0, 0, 0, 0, float("inf")]), "1 of 5"),
        ("sh", torch.zeros(5, 2, 3), "sh of shape"),
    ],
)
def test_validate_names_the_array(field, value, says):
    fields = scene().tensors() | {field: value}
    with pytest.raises(InputError, match=says):
        GaussianScene(**fields).validate("x.ply")


def test_an_empty_scene_is_refused():
    with pytest.raises(InputError, match="empty"):
        scene(0).validate()
