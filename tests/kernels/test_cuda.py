"""The same scene on CUDA and on the CPU."""

import pytest
import torch

from chorus_kernels import rasterize
from tests.kernels.scenes import random_scene, relative


@pytest.mark.gpu
def test_images_and_gradients_agree_with_the_cpu():
    pytest.importorskip("gsplat")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA")
    scene = random_scene(1, 300, width=64, height=48, views=2)
    results = []
    for device in ("cpu", "cuda"):
        leaves = [x.to(device).requires_grad_() for x in (*scene.shape, scene.colors)]
        view = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in scene.view.items()}
        out = rasterize(*leaves, **view, absgrad=torch.zeros(300, 2, device=device))
        (out.colors.sum() + out.depths.sum()).backward()
        results.append([x.detach().cpu() for x in (*out[:3], *(x.grad for x in leaves))])
    for cpu, cuda in zip(*results, strict=True):
        assert relative(cuda, cpu) < 1e-3
