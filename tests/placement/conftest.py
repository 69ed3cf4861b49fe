"""The stand-in device, and the card paths of the kernels upon it: gsplat imitated by the rasteriser's torch twin,
cuSPARSE's product by that of the sparse one, spconv by the torch path that runs where spconv is not installed."""

import os
import sys
import types

import pytest
import torch

from tests.placement import standin
from tests.unit.conftest import box_room, make_room  # noqa: F401 - a fixture

if not os.environ.get("CHORUS_STANDIN"):
    collect_ignore_glob = ["test_*.py"]
else:
    standin.load()


class Twin(torch.autograd.Function):
    """A function of tensors whose reads are not counted, forward or backward: it stands for another library's."""

    @staticmethod
    def forward(ctx, function, *given):
        ctx.given = [x.detach().requires_grad_(x.requires_grad and x.is_floating_point()) for x in given]
        with standin.uncounted(), torch.enable_grad():
            ctx.out = function(*ctx.given)
        return tuple(x.detach() for x in ctx.out)

    @staticmethod
    def backward(ctx, *grads):
        wanted = [x for x in ctx.given if x.requires_grad]
        kept = [number for number, x in enumerate(ctx.out) if x.requires_grad]
        out, grads = [ctx.out[number] for number in kept], [grads[number] for number in kept]
        with standin.uncounted():
            found = iter(torch.autograd.grad(out, wanted, grads, allow_unused=True))
        return None, *(next(found) if x.requires_grad else None for x in ctx.given)


def rasterization(*scene, packed, render_mode="RGB", absgrad=False, **given):
    """gsplat's function, by the torch twin."""
    from chorus_kernels import Views, reference

    options = {"sh_degree": None, "eps2d": 0.3}
    cameras = Views(**{name: given.pop(name) for name in Views.__dataclass_fields__})
    backgrounds = given.pop("backgrounds", None)

    def draw(*tensors):
        behind = tensors[5] if len(tensors) > 5 else None
        return reference.rasterize(*tensors[:5], cameras, backgrounds=behind, **{**options, **given})

    colors, depths, alphas, radii = Twin.apply(draw, *scene, *([] if backgrounds is None else [backgrounds]))
    image = colors if render_mode == "RGB" else torch.cat([colors, depths[..., None]], -1)
    return image, alphas[..., None], {"means2d": torch.zeros(1, device=image.device), "radii": radii}


@pytest.fixture
def device(monkeypatch) -> torch.device:
    """The stand-in, taken for a card by the kernels."""
    from chorus_kernels import cuda, dispatch, reference

    gsplat = types.ModuleType("gsplat")
    gsplat.rasterization = rasterization
    monkeypatch.setitem(sys.modules, "gsplat", gsplat)
    monkeypatch.setattr(dispatch, "CARDS", ("cuda", standin.NAME))
    monkeypatch.setattr(cuda, "_product", lambda matrix, columns, dense: reference.spmm(*matrix, dense.float()))
    return torch.device(standin.NAME, 0)


@pytest.fixture(scope="session")
def room():
    """A small capture with depth and labels."""
    return box_room(views=8, width=24, height=16)
