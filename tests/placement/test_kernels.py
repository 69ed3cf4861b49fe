"""Every op of the kernels takes tensors of the device, gives tensors of the device, and says what the CPU says."""

import torch

from chorus_kernels import (
    PatchWeights,
    curve_codes,
    lift,
    neighbors,
    patch_weights,
    rasterize,
    render_features,
    segment_reduce,
    ssim,
    submanifold_conv,
)
from tests.kernels.scenes import random_scene, relative
from tests.kernels.test_voxels import random_voxels
from tests.placement import standin


def both(device, compute):
    """Results on the CPU and on the device, the latter fetched."""
    there = compute(device)
    assert all(x.device == device for x in there)
    return zip(compute(torch.device("cpu")), [x.cpu() for x in there], strict=True)


def test_images_and_gradients(device):
    scene = random_scene(1, 40, width=16, height=12, views=2)

    def compute(where):
        here = scene.to(where)
        leaves = [x.clone().requires_grad_() for x in (*here.shape, here.colors)]
        out = rasterize(*leaves, here.views)
        (out.colors.sum() + out.depths.sum()).backward()
        return [x.detach() for x in (*out, *(x.grad for x in leaves))]

    assert all(relative(got.float(), want.float()) < 1e-3 for want, got in both(device, compute))


def test_weights_and_their_products(device):
    scene = random_scene(2, 40, width=16, height=12, views=2)
    draw = torch.Generator().manual_seed(0)
    patches, splats = torch.randn(24, 5, generator=draw), torch.randn(40, 5, generator=draw)

    def compute(where):
        here = scene.to(where)
        weights = patch_weights(*here.shape, here.views, patch_rows=3, patch_cols=4)
        leaves = [x.to(where).requires_grad_() for x in (patches, splats)]
        out = lift(weights, leaves[0]), render_features(weights, leaves[1])
        (out[0].square().sum() + out[1].square().sum()).backward()
        back = PatchWeights(*weights.transposed, weights.coverage, weights.total, shape=weights.shape[::-1])
        return [x.detach() for x in (weights.total, weights.coverage, *out, *(x.grad for x in leaves), *back.csr)]

    assert all(relative(got.float(), want.float()) < 1e-3 for want, got in both(device, compute))


def test_voxels(device):
    grid, batch = random_voxels(3, 300, 9, 2)
    draw = torch.Generator().manual_seed(0)
    shapes = ((len(grid), 6), (4, 3, 3, 3, 6), (4,))
    given = [torch.randn(shape, generator=draw) for shape in shapes]

    def compute(where):
        cells, samples = grid.to(where), batch.to(where)
        table = neighbors(cells, samples)
        leaves = [x.to(where).requires_grad_() for x in given]
        out = submanifold_conv(leaves[0], leaves[1], table, leaves[2])
        runs = torch.tensor([0, 3, 10, len(grid)]).to(where)
        pooled = [segment_reduce(leaves[0], runs, how) for how in ("max", "mean", "sum")]
        (out.square().sum() + sum(x.sum() for x in pooled)).backward()
        codes = [curve_codes(cells, samples, order) for order in ("z", "z-trans", "hilbert", "hilbert-trans")]
        return [x.detach() for x in (table, *codes, out, *pooled, *(x.grad for x in leaves))]

    assert all(relative(got.float(), want.float()) < 1e-4 for want, got in both(device, compute))


def test_similarity(device):
    draw = torch.Generator().manual_seed(0)
    images = torch.rand(2, 1, 13, 11, 3, generator=draw)

    def compute(where):
        a, b = images.to(where)
        a = a.clone().requires_grad_()
        value = ssim(a, b)
        value.backward()
        return [value.detach(), a.grad]

    assert all(relative(got, want) < 1e-3 for want, got in both(device, compute))


def test_products_and_similarity_wait_for_nothing(device):
    scene = random_scene(2, 40, width=16, height=12, views=2).to(device)
    weights = patch_weights(*scene.shape, scene.views, patch_rows=3, patch_cols=4)
    patches, image = torch.randn(24, 5, device=device), torch.rand(1, 9, 9, 3, device=device)
    views = list(scene.views)
    ssim(image, image)  # the window is made and kept
    with standin.waits() as found:
        lift(weights, patches)
        render_features(weights, lift(weights, patches))
        ssim(image, image.flip(1))
        rasterize(*scene.shape, scene.colors, views[0])
    assert standin.host_reads(found) == 0, found
