"""patch_weights, lift and render_features against their dense definitions."""

from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from chorus_kernels import PatchWeights, lift, patch_weights, rasterize, reference, render_features
from tests.kernels.scenes import Scene, clear_of_cutoffs, random_scene, relative


def dense(w: PatchWeights) -> torch.Tensor:
    out = torch.zeros(w.shape, dtype=w.values.dtype)
    rows = torch.repeat_interleave(torch.arange(w.shape[0]), w.indptr.diff())
    return out.index_put((rows, w.indices.long()), w.values)


@settings(max_examples=60)
@given(
    st.builds(
        random_scene,
        st.integers(0, 2**31),
        st.integers(1, 40),
        width=st.integers(1, 50),
        height=st.integers(1, 50),
        views=st.integers(1, 2),
    ),
    st.integers(1, 20),
    st.integers(1, 20),
    st.sampled_from(["bilinear", "box"]),
)
def test_weights_match_the_twin(scene, rows, cols, footprint):
    assume(clear_of_cutoffs(scene))
    got = patch_weights(*scene.shape, scene.views, patch_rows=rows, patch_cols=cols, footprint=footprint)
    exact = scene.double()
    want = reference.patch_weights(*exact.shape, exact.views, patch_rows=rows, patch_cols=cols, footprint=footprint)
    want = PatchWeights(want[0], want[1], *(x.float() for x in want[2:]), shape=got.shape)
    assert relative(dense(got), dense(want)) <= 5e-6
    assert relative(got.total, want.total) <= 5e-6
    assert relative(got.coverage, want.coverage) <= 5e-6


def wide_scene(width: int, height: int) -> Scene:
    """Splats so wide, and so clear, that every one counts at every pixel: no cut-off is near."""
    scene = random_scene(11, 4, width=width, height=height)
    g = torch.Generator().manual_seed(12)
    means = torch.rand(4, 3, generator=g) - 0.5 + torch.tensor([0.0, 0.0, 4.0])
    scales = 1.2 + torch.rand(4, 3, generator=g)
    return replace(scene, means=means, scales=scales, opacities=torch.tensor([0.3, 0.4, 0.5, 0.6]))


def pixel_weights(scene: Scene) -> torch.Tensor:
    """The twin's weights in float64: [N, height, width]."""
    exact = scene.double()
    w, order, _ = reference.blend_weights(*exact.shape, exact.views)
    assert (w > 0).all()
    return torch.zeros_like(w.T).index_copy(0, order, w.T).unflatten(1, (scene.views.height, scene.views.width))


def onto_patches(pixels: torch.Tensor, rows: int, cols: int, footprint: str) -> torch.Tensor:
    """W^T B, with the twin's B taken axis by axis: [N, rows * cols]."""
    _, height, width = pixels.shape
    across = reference.upsampling(1, cols, height=1, width=width, footprint=footprint, dtype=pixels.dtype)
    down = reference.upsampling(rows, 1, height=height, width=1, footprint=footprint, dtype=pixels.dtype)
    return (down.T @ (pixels @ across)).flatten(1)


def footprint_error(scene: Scene, pixels: torch.Tensor, rows: int, cols: int, footprint: str) -> float:
    got = patch_weights(*scene.shape, scene.views, patch_rows=rows, patch_cols=cols, footprint=footprint)
    return relative(dense(got), onto_patches(pixels, rows, cols, footprint))


@pytest.mark.parametrize("footprint", ["bilinear", "box"])
@pytest.mark.parametrize("across", [True, False])
def test_every_short_axis_of_pixels_and_patches(across, footprint):
    """The other axis has two patches: a window that is too wide or too narrow then puts its second row elsewhere."""
    wrong = []
    for size in range(1, 71):
        scene = wide_scene(size, 2) if across else wide_scene(2, size)
        pixels = pixel_weights(scene)
        for patches in range(1, 9):
            error = footprint_error(scene, pixels, *((2, patches) if across else (patches, 2)), footprint)
            wrong += [(size, patches, error)] if error > 1e-6 else []
    assert not wrong


# Here the center of a tile's last or first pixel lies on the center of a patch. Rounded once (a fused multiply-add) or
# twice, the formula of torch puts it on different sides: a tile's window would be too wide or too narrow for its
# pixels, and from 193 on it would have no room for what they write.
@pytest.mark.parametrize("footprint", ["bilinear", "box"])
@pytest.mark.parametrize(("size", "patches"), [(31, 3), (31, 9), (62, 10), (93, 27), (193, 3), (193, 65), (296, 40)])
def test_pixels_on_the_centers_of_patches(size, patches, footprint):
    scene = wide_scene(size, size)
    assert footprint_error(scene, pixel_weights(scene), patches, patches, footprint) <= 1e-6


def test_a_row_of_pixels_that_ends_on_the_center_of_a_patch():
    scene = random_scene(0, 1, width=31, height=1)
    got = patch_weights(*scene.shape, scene.views, patch_rows=2, patch_cols=3)
    want = torch.tensor([[0.1419140, 0.1773420, 0.0011658, 0.1419140, 0.1773420, 0.0011658]])
    assert torch.allclose(dense(got), want, rtol=0, atol=1e-6)


def test_lifting_equals_upsampling_and_back_propagating():
    scene = random_scene(3, 400, width=112, height=96, views=2)
    features = torch.randn(2, 6, 7, 20)
    w = patch_weights(*scene.shape, scene.views, patch_rows=6, patch_cols=7)
    colors = torch.zeros(400, 20, requires_grad=True)
    image = rasterize(*scene.shape, colors, scene.views).colors
    up = functional.interpolate(features.permute(0, 3, 1, 2), size=(96, 112), mode="bilinear", align_corners=False)
    image.backward(up.permute(0, 2, 3, 1).contiguous())
    assert relative(lift(w, features.view(-1, 20)), colors.grad) <= 2e-6


def test_rendering_is_the_transpose_of_lifting():
    scene = random_scene(4, 100, width=64, height=64)
    w = patch_weights(*scene.shape, scene.views, patch_rows=8, patch_cols=8)
    per_splat, per_patch = torch.randn(100, 33, requires_grad=True), torch.randn(64, 33, requires_grad=True)
    a, b = (render_features(w, per_splat) * per_patch).sum(), (lift(w, per_patch) * per_splat).sum()
    assert torch.allclose(a, b, rtol=1e-4)
    (g,) = torch.autograd.grad(a, per_splat)
    assert torch.allclose(g, lift(w, per_patch.detach()), atol=1e-5)
    (g,) = torch.autograd.grad(b, per_patch)
    assert torch.allclose(g, render_features(w, per_splat.detach()), atol=1e-5)


def test_totals_are_the_sums():
    scene = random_scene(5, 50, width=40, height=30)
    w = patch_weights(*scene.shape, scene.views, patch_rows=5, patch_cols=4)
    assert torch.allclose(dense(w).sum(1), w.total, rtol=1e-5)
    assert torch.allclose(dense(w).sum(0), w.coverage, rtol=1e-5)
    assert torch.allclose(w.coverage.sum(), rasterize(*scene.shape, scene.colors, scene.views).alphas.sum(), rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_half_storage(dtype):
    scene = random_scene(6, 60)
    w = patch_weights(*scene.shape, scene.views, patch_rows=4, patch_cols=4)
    features = torch.randn(16, 100).to(dtype)
    assert relative(lift(w, features), dense(w).double() @ features.double()) <= 1e-6


def test_columns_are_sorted_and_views_follow_each_other():
    scene = random_scene(8, 80, views=3)
    w = patch_weights(*scene.shape, scene.views, patch_rows=3, patch_cols=5)
    for i in range(80):
        columns = w.indices[w.indptr[i] : w.indptr[i + 1]]
        assert (columns.diff() > 0).all()
    one = patch_weights(*scene.shape, scene.views[1:2], patch_rows=3, patch_cols=5)
    assert torch.equal(dense(w)[:, 15:30], dense(one))


def test_planes_cut_weights_as_they_cut_images():
    scene = random_scene(9, 80, width=40, height=30)
    views = replace(scene.views, near_plane=3.5, far_plane=4.5)
    got = patch_weights(*scene.shape, views, patch_rows=30, patch_cols=40, footprint="box")
    alphas = rasterize(*scene.shape, scene.colors, views).alphas
    assert torch.allclose(got.coverage.view(1, 30, 40), alphas, atol=1e-6)
    depths = (scene.means @ views.viewmats[0, :3, :3].T + views.viewmats[0, :3, 3])[:, 2]
    inside = (depths >= 3.5) & (depths <= 4.5)
    assert not got.total[~inside].any() and (got.total[inside] > 0).any()
    want = reference.patch_weights(*scene.shape, views, patch_rows=30, patch_cols=40, footprint="box")
    assert torch.allclose(got.total, want[3], rtol=1e-4, atol=1e-5)


def test_empty_scene():
    scene = random_scene(8, 3)
    w = patch_weights(*(x[:0] for x in scene.shape), scene.views, patch_rows=3, patch_cols=5)
    assert w.shape == (0, 15) and lift(w, torch.ones(15, 4)).shape == (0, 4)
    assert not render_features(w, torch.ones(0, 4)).any()
