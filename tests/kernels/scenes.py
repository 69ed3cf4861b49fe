"""Small random scenes and cameras, and the comparison that the kernel tests share."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from chorus_kernels import Views, reference

IMAGE, GRADIENT = 5e-6, 1e-5  # relative L2 errors that are allowed
NAMES = "means", "quats", "scales", "opacities", "colors", "backgrounds"  # what rasterize differentiates


@dataclass
class Scene:
    """Arguments of rasterize, in its order."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor
    views: Views

    @property
    def shape(self) -> tuple[Tensor, ...]:
        return self.means, self.quats, self.scales, self.opacities

    def to(self, target: torch.device | str | torch.dtype) -> "Scene":
        return Scene(**{name: value.to(target) for name, value in vars(self).items()})

    def double(self) -> "Scene":
        return self.to(torch.float64)


def random_scene(
    seed: int, n: int, *, width: int = 24, height: int = 20, channels: int = 3, views: int = 1, size: float = 0.3
) -> Scene:
    """Splats in a box before cameras that look at it from slightly different places; some lie outside every view."""
    g = torch.Generator().manual_seed(seed)
    means = (torch.rand(n, 3, generator=g) - 0.5) * torch.tensor([4.0, 3.0, 3.0]) + torch.tensor([0.0, 0.0, 4.0])
    quats = torch.randn(n, 4, generator=g)
    scales = size * torch.exp(torch.randn(n, 3, generator=g) * 0.7 - 0.5)
    opacities = torch.sigmoid(torch.randn(n, generator=g) * 1.5 + 0.5)
    colors = torch.rand(n, channels, generator=g)
    return Scene(means, quats, scales, opacities, colors, cameras(g, views, width, height))


def cameras(g: torch.Generator, views: int, width: int, height: int) -> Views:
    viewmats, Ks = torch.eye(4).repeat(views, 1, 1), torch.zeros(views, 3, 3)
    for v in range(views):
        viewmats[v, :3, :3] = reference.rotation_matrices(
            torch.tensor([[1.0, 0, 0, 0]]) + 0.1 * torch.randn(1, 4, generator=g)
        )[0]
        viewmats[v, :3, 3] = 0.3 * torch.randn(3, generator=g)
        f = 0.5 * max(width, height) / math.tan(math.radians(30))
        Ks[v] = torch.tensor([[f, 0, width / 2 + 0.3], [0, f * 1.1, height / 2 - 0.2], [0, 0, 1]])
    return Views(viewmats, Ks, width, height)


def clear_of_cutoffs(scene: Scene) -> bool:
    """No weight lies so close to a cut-off that rounding to float32 could move it to the other side."""
    s = scene.double()
    for view in s.views:
        mean2d, covariance, depth = reference.project(s.means, s.quats, s.scales, view)
        order = torch.argsort(depth)
        order = order[depth[order] > 0.01]
        if ((depth - 0.01).abs() < 1e-4).any() or (depth[order].diff() < 1e-5).any():
            return False
        at = torch.arange(view.width * view.height)
        d = torch.stack([at % view.width, at // view.width], -1) + 0.5 - mean2d[order][:, None]
        alpha = s.opacities[order, None] * torch.exp(
            -0.5 * torch.einsum("npi,nij,npj->np", d, torch.linalg.inv(covariance[order]), d)
        )
        kept = torch.where(alpha >= 1 / 255, alpha.clamp(max=0.999), 0)
        behind = torch.cumprod(1 - kept, 0)
        near = ((alpha * 255 - 1).abs() < 1e-4) | ((alpha - 0.999).abs() < 1e-4) | ((behind * 1e4 - 1).abs() < 1e-3)
        if near.any():
            return False
    return True


def relative(actual: Tensor, expected: Tensor) -> float:
    """Relative L2 error."""
    scale = expected.double().norm().item()
    error = (actual.double() - expected.double()).norm().item()
    return error if scale == 0 else error / scale


def close(actual: Tensor, expected: Tensor, rtol: float, atol: float = 1e-6) -> bool:
    """Relative L2 error within rtol, or every element within atol."""
    return relative(actual, expected) <= rtol or bool((actual.double() - expected.double()).abs().max() <= atol)
