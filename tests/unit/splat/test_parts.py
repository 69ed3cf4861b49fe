import numpy as np
import pytest
import torch

from chorus.capture import Capture
from chorus.errors import InputError, MissingError
from chorus.scene import scene_from_colors
from chorus.splat.adam import RowAdam
from chorus.splat.labels import label_gaussians, load_labels
from chorus.splat.likeness import Exposure, measure
from chorus.splat.pictures import contact_sheet, error_image
from chorus.splat.rasterize import render
from chorus.splat.seeds import seeds_at, spacing, thin, to_gaussians
from chorus.splat.start import starting_seeds
from chorus.splat.weights import (
    join_views,
    load_weights,
    save_weights,
    scene_weights,
    stored_bytes,
    stored_names,
    view_parts,
)


def wall(room, count: int = 600):
    """Gaussians on the surfaces of the room, not optimised."""
    seeds = starting_seeds(room, np.arange(len(room)), count, np.random.default_rng(0))
    rows = to_gaussians(seeds, radius=0.6 * spacing(seeds.points))
    return scene_from_colors(
        rows["means"],
        rows["quats"],
        rows["log_scales"].exp(),
        rows["opacity_logits"].sigmoid(),
        torch.from_numpy(seeds.colors).float(),
    )


def test_several_views_before_one_background(room):
    scene, background = wall(room).detached(), torch.tensor([0.2, 0.4, 0.6])
    both = render(scene, room.cameras.select([0, 3]), background=background)
    for v, view in enumerate((0, 3)):
        alone = render(scene, room.cameras.select([view]), background=background)
        assert torch.equal(both.colors[v], alone.colors[0]) and torch.equal(both.depth[v], alone.depth[0])
    black = render(scene, room.cameras.select([0, 3]))
    behind = (1 - both.alpha)[..., None] * background
    assert behind.amax() > 0.01 and torch.allclose(both.colors - black.colors, behind, atol=1e-5)


def test_what_cannot_render_says_what_is_missing(room, monkeypatch):
    def absent(*_, **__):
        raise ImportError("rasterize: tensors on CUDA need gsplat")

    monkeypatch.setattr("chorus_kernels.rasterize", absent)
    with pytest.raises(MissingError, match="^rendering: expected .*, got rasterize: tensors on CUDA need gsplat$"):
        render(wall(room), room.cameras)


def test_adam_matches_torch():
    start = {"x": torch.randn(5, 2, generator=torch.Generator().manual_seed(0))}
    ours = RowAdam(start, {"x": 0.1})
    theirs = start["x"].clone().requires_grad_(True)
    adam = torch.optim.Adam([theirs], lr=0.1, betas=(0.9, 0.99), eps=1e-15)
    for _ in range(5):
        for tensor in (ours.params["x"], theirs):
            (tensor**3).sum().backward()
        ours.step()
        adam.step()
        adam.zero_grad()
    assert torch.allclose(ours.params["x"], theirs, atol=1e-6)


def test_adam_rows_come_and_go():
    adam = RowAdam({"x": torch.arange(4.0)}, {"x": 0.1})
    adam.keep(torch.tensor([True, False, True, True]))
    adam.append({"x": torch.tensor([9.0])})
    assert adam.params["x"].tolist() == [0.0, 2.0, 3.0, 9.0] and len(adam) == 4
    adam.params["x"].grad = torch.tensor([0.0, float("nan"), 1.0, 1.0])
    adam.step()
    assert adam.params["x"].tolist()[:2] == [0.0, 2.0] and adam.params["x"][3] < 9


def test_seeds_lie_on_the_surface_and_face_the_camera(room):
    image = room.images[0] / 255.0
    rows, columns = np.mgrid[4:44:5, 4:60:5].reshape(2, -1)
    seeds = seeds_at(rows, columns, image=image, depth=room.depth[0], cameras=room.cameras, view=0)
    assert np.abs(np.linalg.norm(seeds.normals, axis=1) - 1).max() < 1e-6
    assert (np.abs(seeds.normals).max(axis=1) > 0.99).mean() > 0.9  # the walls are axis-aligned
    assert ((seeds.normals * (room.cameras.positions[0] - seeds.points)).sum(axis=1) > 0).all()
    distance = np.stack(
        [
            2 - np.abs(seeds.points[:, 0]),
            1.5 - np.abs(seeds.points[:, 1]),
            np.abs(seeds.points[:, 2]),
            2.4 - seeds.points[:, 2],
        ]
    )
    assert np.abs(distance).min(axis=0).max() < 1e-3


def test_unknown_depth_seeds_nothing(room):
    seeds = seeds_at(
        np.array([3]),
        np.array([3]),
        image=room.images[0] / 255.0,
        depth=np.zeros((48, 64)),
        cameras=room.cameras,
        view=0,
    )
    assert len(seeds) == 0


def test_thinning_spreads_and_bounds(room):
    seeds = starting_seeds(room, np.arange(len(room)), 900, np.random.default_rng(0))
    few = thin(seeds, 200, np.random.default_rng(0))
    assert 150 <= len(few) <= 200 and spacing(few.points).min() > 0


def test_disks_turn_to_their_normals(room):
    seeds = starting_seeds(room, np.arange(len(room)), 100, np.random.default_rng(0))
    rows = to_gaussians(seeds, radius=np.full(len(seeds), 0.1))
    w, x, y, z = rows["quats"].T
    third = torch.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], dim=1)  # R e_z
    assert torch.allclose(third, torch.from_numpy(seeds.normals).float(), atol=1e-4)


def test_depth_and_alpha_of_a_render(room):
    scene = wall(room, 3000)
    out = render(scene, room.cameras.select([0]))
    known = out.alpha[0] > 0.7
    assert known.float().mean() > 0.8
    assert (out.depth[0] - torch.from_numpy(room.depth[0])).abs()[known].median() < 0.05
    assert (render(scene, room.cameras.select([0]), background=torch.ones(3)).colors >= out.colors - 1e-5).all()


def test_weights_lift_what_they_render(room, tmp_path):
    from chorus_kernels import lift, render_features

    scene = wall(room)
    weights = scene_weights(scene, room.cameras.select([0, 1]), rows=12, columns=16, footprint="box")
    assert weights.shape == (len(scene), 2 * 12 * 16)
    assert torch.allclose(lift(weights, torch.ones(384, 1))[:, 0], weights.total, rtol=1e-3, atol=1e-3)
    alpha = render(scene, room.cameras.select([0, 1])).alpha
    pooled = torch.nn.functional.avg_pool2d(alpha, 4).reshape(-1) * 16
    assert torch.allclose(render_features(weights, torch.ones(len(scene), 1))[:, 0], pooled, rtol=1e-3, atol=2e-2)
    save_weights(tmp_path / "a", {"fine": weights})
    save_weights(tmp_path / "b", {"fine": weights})
    back = load_weights(tmp_path / "a", "fine")
    assert stored_names(tmp_path / "a") == ("fine",) and stored_names(tmp_path / "absent") == ()
    assert 0 <= (tmp_path / "a").stat().st_size - stored_bytes(weights) < 600  # the header
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() and back.shape == weights.shape
    assert torch.allclose(back.values, weights.values, rtol=1e-3, atol=1e-6) and torch.equal(
        back.indices, weights.indices
    )


def test_damaged_weights_and_labels(tmp_path):
    (tmp_path / "x").write_bytes(b"123")
    for load in (lambda path: load_weights(path, "fine"), load_labels):
        for name in ("x", "absent"):
            with pytest.raises(InputError):
                load(tmp_path / name)


def test_runs_of_views_side_by_side_are_all_views(room):
    scene = wall(room)
    cameras = room.cameras.select([0, 1, 2])
    whole = scene_weights(scene, cameras, rows=6, columns=8)
    runs = view_parts(len(scene), 3, at_once=2 * len(scene))
    assert runs == [slice(0, 2), slice(2, 3)] and view_parts(10**9, 2) == [slice(0, 1), slice(1, 2)]
    joined = join_views([scene_weights(scene, cameras.select(run), rows=6, columns=8) for run in runs])
    for name in ("indptr", "indices", "values", "total", "coverage"):
        torch.testing.assert_close(getattr(joined, name), getattr(whole, name))


def test_labels_need_a_labeled_capture(room):
    import dataclasses

    assert label_gaussians(wall(room), dataclasses.replace(room, semantic=None, instance=None)) is None


def test_nothing_of_a_held_out_view_is_used(room):
    """A view that was exposed in its own way keeps the whole error; one exposed as its neighbours has none of it."""
    scene, exposure = wall(room), Exposure(3, np.array([0, 2]))
    for view in (0, 2):
        exposure.values[view].data = torch.tensor([np.log(1.3), 0.05])
    render_0 = render(scene, room.cameras.select([0])).colors[0].clamp(0, 0.7)
    images = [(render_0 * gain + bias).clamp(0, 1) * 255 for gain, bias in ((1.3, 0.05), (1.3, 0.05), (0.8, 0.0))]
    cameras = room.cameras.select([0, 0, 0])
    capture = Capture(images=np.stack([image.round().byte().numpy() for image in images]), cameras=cameras)
    foreseen, own = (measure(scene, capture, np.array([view]), exposure).summary() for view in (1, 2))
    assert foreseen["psnr_blind"] > foreseen["psnr_raw"] + 8
    assert own["psnr_blind"] < own["psnr_raw"]


def test_exposure_between_fitted_views_lies_on_a_line():
    exposure = Exposure(9, np.array([0, 4, 8]))
    for view, gain in ((0, -0.2), (4, 0.0), (8, 0.4)):
        exposure.values[view].data = torch.tensor([gain, -gain / 2])
    assert np.allclose(exposure.between(5), (0.1, -0.05)) and np.allclose(exposure.between(0), (-0.2, 0.1))
    assert np.allclose(exposure.between(11), (0.4, -0.2))  # beyond the last: as the last


def test_error_image_is_black_where_equal():
    image = np.full((4, 4, 3), 100, np.uint8)
    assert error_image(image, image).max() == 0 and error_image(image, image + 100).min() == 255


def test_contact_sheet_has_three_columns(room):
    sheet = contact_sheet(measure(wall(room), room, np.array([0, 1]), Exposure(len(room), np.arange(2))), width=64)
    assert sheet.shape[1] == 3 * (64 + 4) and sheet.shape[0] == 2 * (48 + 4 + 14)
