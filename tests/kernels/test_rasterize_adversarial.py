"""Scenes made to break a rasteriser: compared with the dense twin in float64."""

from dataclasses import replace

import pytest
import torch

from chorus_kernels import rasterize, reference
from tests.kernels.scenes import GRADIENT, IMAGE, NAMES, Scene, cameras, close, random_scene


def scene_of(means, scales, opacities, *, width=32, height=24, quats=None) -> Scene:
    n = len(means)
    g = torch.Generator().manual_seed(0)
    views = cameras(g, 1, width, height)
    views.viewmats[:] = torch.eye(4)
    quats = torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1) if quats is None else quats
    colors = torch.rand(n, 3, generator=g)
    means, scales, opacities = (
        torch.as_tensor(x, dtype=torch.float32).reshape(n, -1) for x in (means, scales, opacities)
    )
    if scales.shape[1] == 1:
        scales = scales * torch.tensor(
            [1.0, 0.8, 0.6]
        )  # turning a ball has no effect, and an error nothing to be relative to
    return Scene(means, quats, scales, opacities[:, 0].contiguous(), colors, views)


def needles() -> Scene:
    g = torch.Generator().manual_seed(4)
    means = torch.randn(30, 3, generator=g) * 0.5 + torch.tensor([0.0, 0, 3])
    scales = torch.tensor([3.0, 1e-5, 1e-5]).repeat(30, 1)
    return scene_of(means, scales, torch.rand(30, generator=g), quats=torch.randn(30, 4, generator=g))


CASES = {
    "behind the camera": lambda: scene_of([[0, 0, -1], [0, 0, -5], [0, 0, 3]], [[0.3]] * 3, [0.9, 0.9, 0.5]),
    "before the near plane": lambda: scene_of(
        [[0, 0, 0.009], [0, 0, 0.011], [0, 0, 1]], [[0.001], [0.001], [0.1]], [0.9, 0.5, 0.7]
    ),
    "needles": needles,
    "huge": lambda: scene_of([[0, 0, 5], [1, 0, 6]], [[1e3], [1e2]], [0.6, 0.4]),
    "around the camera": lambda: scene_of(
        [[3, 0, 0.02], [-3, 1, 0.05], [0, 0, 2]], [[1.0], [2.0], [0.2]], [0.8, 0.7, 0.5]
    ),
    "zero opacity": lambda: scene_of([[0, 0, 2], [0, 0, 3]], [[0.3], [0.3]], [0.0, 0.5]),
    "opacity one": lambda: scene_of([[0, 0, 2], [0.1, 0, 3], [0, 0.1, 4]], [[0.3], [0.5], [0.9]], [1.0, 1.0, 1.0]),
    "points": lambda: scene_of([[0, 0, 2], [0.2, 0, 3]], [[0.0], [1e-12]], [0.9, 0.9]),
    "identical depths": lambda: scene_of([[0.01 * i, 0, 2] for i in range(50)], [[0.2]] * 50, [0.3] * 50),
    "the same splat many times": lambda: scene_of(
        [[0, 0, 2]] * 3000, [[0.2]] * 3000, [0.05] * 3000, width=20, height=20
    ),
    "one pixel": lambda: scene_of([[0, 0, 2], [0.1, 0, 3]], [[0.3], [0.5]], [0.5, 0.5], width=1, height=1),
    "a single column": lambda: scene_of([[0, 0, 2], [0.1, 0, 3]], [[0.3], [0.5]], [0.5, 0.5], width=1, height=67),
    "a single row": lambda: scene_of([[0, 0, 2], [0.1, 0, 3]], [[0.3], [0.5]], [0.5, 0.5], width=67, height=1),
    "odd size": lambda: random_scene(9, 80, width=37, height=51),
}


@pytest.mark.parametrize("case", CASES)
def test_images_and_gradients_are_exact(case):
    scene = CASES[case]()
    leaves = [x.clone().requires_grad_() for x in (*scene.shape, scene.colors)]
    exact = [x.detach().double().requires_grad_() for x in leaves]
    got, want = rasterize(*leaves, scene.views), reference.rasterize(*exact, scene.double().views)
    assert all(close(a, b, IMAGE) for a, b in zip(got[:3], want[:3], strict=True))
    g = torch.Generator().manual_seed(1)
    outer = [torch.randn(x.shape, generator=g) for x in got[:3]]
    torch.autograd.backward(got[:3], outer)
    torch.autograd.backward(want[:3], [x.double() for x in outer])
    for name, a, b in zip(NAMES, leaves, exact, strict=False):
        assert close(a.grad, b.grad, GRADIENT), name


def test_no_splats_show_the_background():
    scene = random_scene(0, 1)
    empty = [x[:0].clone().requires_grad_() for x in (*scene.shape, scene.colors)]
    out = rasterize(*empty, scene.views, backgrounds=torch.tensor([[0.1, 0.2, 0.3]]))
    assert torch.allclose(out.colors[0, 3, 4], torch.tensor([0.1, 0.2, 0.3])) and not out.alphas.any()
    out.colors.sum().backward()
    assert empty[0].grad.shape == (0, 3)


def test_no_views_give_empty_images():
    scene = random_scene(0, 5)
    out = rasterize(*scene.shape, scene.colors, replace(scene.views[:0], width=8, height=6))
    assert out.colors.shape == (0, 6, 8, 3)
