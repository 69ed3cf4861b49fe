from dataclasses import replace

import pytest
import torch

from chorus.errors import InputError
from chorus.frames import Frame
from chorus.scene import GaussianScene, ReadReport, SplatLabels, scene_from_colors


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


def test_it_prints_one_line_of_what_it_is():
    box = scene_from_colors(
        torch.tensor([[0.0, 0, 0], [4.5, 3.25, 2.5]]),
        torch.ones(2, 4),
        torch.full((2, 3), 0.1),
        torch.full((2,), 0.5),
        torch.rand(2, 3),
    )
    assert repr(box) == (
        "GaussianScene(2 Gaussians; 4.50 x 3.25 x 2.50 m; sh degree 0; "
        "z up, as the file says; lengths in m, as the file says)"
    )
    guessed = Frame(up="estimated", unit="unknown")
    labels = SplatLabels(label=torch.zeros(2), names=("bed", "chair"))
    report = ReadReport(total=1002, rows=torch.arange(2))
    said = repr(replace(box, sh=torch.zeros(2, 16, 3), frame=guessed, labels=labels, report=report))
    for part in ("2.50 units", "sh degree 3", "z up, estimated; scale unknown", "labels of 2 names", "1,000 rows of"):
        assert part in said
    assert "\n" not in said and "tensor" not in said
    assert repr(box.select(torch.zeros(2, dtype=torch.bool))).startswith("GaussianScene(0 Gaussians; 0.00 x 0.00")
