"""What the ops do on CUDA: against the CPU where there is a device (marker gpu), and the parts that are plain torch on
any machine."""

import sys
import types
from dataclasses import replace

import pytest
import torch

from chorus_kernels import (
    PatchWeights,
    Views,
    conv_cuda,
    cuda,
    curve_codes,
    lift,
    neighbors,
    patch_weights,
    rasterize,
    render_features,
    ssim,
    submanifold_conv,
)
from tests.kernels.scenes import random_scene, relative
from tests.kernels.test_patches import dense
from tests.kernels.test_voxels import random_voxels


def need(module: str) -> None:
    pytest.importorskip(module)
    if not torch.cuda.is_available():
        pytest.skip("no CUDA")


@pytest.mark.gpu
def test_images_and_gradients_agree_with_the_cpu():
    need("gsplat")
    scene = random_scene(1, 300, width=64, height=48, views=2)
    results = []
    for device in ("cpu", "cuda"):
        here = scene.to(device)
        leaves = [x.clone().requires_grad_() for x in (*here.shape, here.colors)]
        out = rasterize(*leaves, here.views, absgrad=torch.zeros(300, 2, device=device))
        (out.colors.sum() + out.depths.sum()).backward()
        results.append([x.detach().cpu() for x in (*out[:3], *(x.grad for x in leaves))])
    for cpu, there in zip(*results, strict=True):
        assert relative(there, cpu) < 1e-3


@pytest.mark.gpu
@pytest.mark.parametrize("footprint", ["bilinear", "box"])
def test_patch_weights_and_their_products_agree_with_the_cpu(footprint):
    need("gsplat")
    scene = random_scene(2, 300, width=64, height=48, views=2)
    results = []
    for device in ("cpu", "cuda"):
        here = scene.to(device)
        weights = patch_weights(*here.shape, here.views, patch_rows=9, patch_cols=10, footprint=footprint)
        g = torch.Generator().manual_seed(0)
        patches, splats = (torch.randn(n, 20, generator=g).to(device).requires_grad_() for n in (180, 300))
        lifted, shown = lift(weights, patches), render_features(weights, splats)
        (lifted.square().sum() + shown.square().sum()).backward()
        results.append(
            [x.detach().cpu() for x in (weights.total, weights.coverage, lifted, shown, patches.grad, splats.grad)]
        )
    for cpu, there in zip(*results, strict=True):
        assert relative(there, cpu) < 1e-3


@pytest.mark.gpu
@pytest.mark.parametrize("with_spconv", [True, False])
def test_neighbors_and_convolution_agree_with_the_cpu(with_spconv, monkeypatch):
    need("spconv.pytorch" if with_spconv else "torch")
    if not with_spconv:
        for module in (cuda, conv_cuda):
            monkeypatch.setattr(module, "spconv_functional", lambda: None)
    grid, batch = random_voxels(3, 2000, 14, 2)
    results = []
    for device in ("cpu", "cuda"):
        table = neighbors(grid.to(device), batch.to(device))
        g = torch.Generator().manual_seed(0)
        shapes = ((len(grid), 16), (32, 3, 3, 3, 16), (32,))
        leaves = [torch.randn(shape, generator=g).to(device).requires_grad_() for shape in shapes]
        out = submanifold_conv(leaves[0], leaves[1], table, leaves[2])
        out.square().sum().backward()
        results.append([x.detach().cpu() for x in (table, out, *(x.grad for x in leaves))])
    assert torch.equal(results[0][0], results[1][0])
    for cpu, there in zip(results[0][1:], results[1][1:], strict=True):
        assert relative(there, cpu) < 5e-3  # tensor cores may round the factors to 10 bits


@pytest.mark.gpu
def test_curves_and_similarity_agree_with_the_cpu():
    need("torch")
    grid, batch = random_voxels(4, 2000, 50, 3)
    g = torch.Generator().manual_seed(0)
    image, target = torch.rand(2, 40, 33, 3, generator=g), torch.rand(2, 40, 33, 3, generator=g)
    results = []
    for device in ("cpu", "cuda"):
        a = image.to(device).requires_grad_()
        similarity = ssim(a, target.to(device))
        similarity.backward()
        codes = [
            curve_codes(grid.to(device), batch.to(device), order)
            for order in ("z", "z-trans", "hilbert", "hilbert-trans")
        ]
        results.append([x.detach().cpu() for x in (*codes, similarity, a.grad)])
    assert all(torch.equal(cpu, there) for cpu, there in zip(results[0][:4], results[1][:4], strict=True))
    assert relative(results[1][4], results[0][4]) < 1e-5 and relative(results[1][5], results[0][5]) < 1e-3


@pytest.mark.gpu
def test_a_voxel_that_occurs_twice_is_refused():
    need("torch")
    with pytest.raises(ValueError, match="voxels must be unique"):
        neighbors(torch.tensor([[1, 2, 3], [1, 2, 3]]).cuda(), torch.zeros(2, dtype=torch.int64).cuda())


@pytest.fixture
def stand_in(monkeypatch):
    """A gsplat whose rasterization is ours, so that what is read from its backward can be tested without a device."""
    module = types.ModuleType("gsplat")

    options = {"backgrounds": None, "sh_degree": None, "eps2d": 0.3}

    def rasterization(*scene, packed, render_mode="RGB", absgrad=False, **given):
        cameras = Views(**{name: given.pop(name) for name in Views.__dataclass_fields__})
        out = rasterize(*scene, cameras, **{**options, **given})
        image = out.colors if render_mode == "RGB" else torch.cat([out.colors, out.depths[..., None]], -1)
        both_axes = torch.stack([out.radii, out.radii // 2], -1)
        return image, out.alphas[..., None], {"means2d": torch.zeros(1), "radii": both_axes}

    module.rasterization = rasterization
    monkeypatch.setitem(sys.modules, "gsplat", module)


def test_gsplat_is_asked_for_what_rasterize_returns(stand_in):
    scene = random_scene(5, 60, width=30, height=20, views=2)
    colors, backgrounds = torch.rand(60, 4, 3) - 0.5, torch.rand(2, 3)
    options = {"backgrounds": backgrounds, "sh_degree": 1, "eps2d": 0.5, "absgrad": None}
    views = replace(scene.views, near_plane=3.0, far_plane=4.5)
    got = cuda.rasterize(*scene.shape, colors, views, **options)
    want = rasterize(*scene.shape, colors, views, **options)
    assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True)) and want.visible.any()


@pytest.mark.parametrize(("rows", "cols", "footprint"), [(7, 11, "bilinear"), (5, 4, "box"), (1, 1, "bilinear")])
def test_weights_are_read_from_a_backward_pass(stand_in, rows, cols, footprint):
    scene = random_scene(6, 120, width=50, height=33, views=2)
    options = {"patch_rows": rows, "patch_cols": cols, "footprint": footprint}
    want = patch_weights(*scene.shape, scene.views, **options)
    got = PatchWeights(*cuda.patch_weights(*scene.shape, scene.views, **options), shape=want.shape)
    assert relative(dense(got), dense(want)) < 1e-5
    assert relative(got.total, want.total) < 1e-5 and relative(got.coverage, want.coverage) < 1e-5


def test_products_and_gradients_of_the_torch_path():
    scene = random_scene(7, 60, width=40, height=30)
    weights = patch_weights(*scene.shape, scene.views, patch_rows=5, patch_cols=4)
    for op, twin, rows in ((cuda.multiply, lift, 20), (cuda.multiply_t, render_features, 60)):
        x = torch.randn(rows, 9, requires_grad=True)
        y = x.detach().clone().requires_grad_()
        got, want = op(weights.csr, weights.shape[1], x), twin(weights, y)
        assert torch.allclose(got, want, atol=1e-5)
        got.square().sum().backward()
        want.square().sum().backward()
        assert torch.allclose(x.grad, y.grad, rtol=1e-4, atol=1e-4)


def test_tables_are_read_off_spconvs_pairs():
    grid, batch = random_voxels(4, 500, 9, 2)
    table = neighbors(grid, batch)
    pairs, counts = conv_cuda.pairs_of(table)
    assert torch.equal(cuda._table(pairs, counts.tolist(), len(grid)), table)
