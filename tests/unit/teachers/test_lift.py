import json
import math
import shutil
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from chorus.cameras import Cameras, look_at
from chorus.errors import InputError, MissingError
from chorus.params import TargetParams
from chorus.scene import scene_from_colors
from chorus.splat import weights as splat_weights
from chorus.splat.rasterize import render
from chorus.splat.weights import load_weights, scene_weights, stored_bytes, stored_names
from chorus.teachers.lift import lifted, load_targets, make_targets, storage
from chorus.teachers.rows import fit_phi_s
from chorus.teachers.views import load_teacher_views, make_teacher_views
from chorus_kernels import PatchWeights, render_features

WIDTH, HEIGHT = 48, 32
STORED = TargetParams(min_weight=1e-3, rows_error=0.01, weights_budget=100.0)
MADE_AGAIN = replace(STORED, weights_budget=0.0)


class Dotted:
    """A teacher with a fixed random projection of 8x8 pixel means: any numbers will do."""

    def __init__(self, role: str, dim: int, cell: int = 8):
        self.name, self.role, self.dim, self.cell = f"dotted-{role}", role, dim, cell
        self.mix = torch.randn(3, dim, generator=torch.Generator().manual_seed(dim))

    def patch_grid(self, height, width):
        return height // self.cell, width // self.cell

    def features(self, images):
        cells = torch.nn.functional.avg_pool2d(images.permute(0, 3, 1, 2), self.cell)
        return torch.sin(cells.permute(0, 2, 3, 1) @ self.mix * 5)


@pytest.fixture(scope="module")
def scene():
    generator = torch.Generator().manual_seed(0)
    n = 120
    means = torch.rand(n, 3, generator=generator) * torch.tensor([2.0, 2.0, 1.5]) - torch.tensor([1.0, 1.0, 0.0])
    means[-1] = torch.tensor([0.0, 0.0, 90.0])  # out of every view
    return scene_from_colors(
        means,
        torch.randn(n, 4, generator=generator),
        torch.rand(n, 3, generator=generator) * 0.15 + 0.03,
        torch.rand(n, generator=generator) * 0.9 + 0.05,
        torch.rand(n, 3, generator=generator),
    )


@pytest.fixture(scope="module")
def cameras():
    poses = np.stack([look_at((3 * math.cos(a), 3 * math.sin(a), 1.0), (0, 0, 0.7)) for a in (0.1, 1.3, 2.9)])
    K = np.tile(np.array([[45.0, 0, WIDTH / 2], [0, 45.0, HEIGHT / 2], [0, 0, 1]]), (3, 1, 1))
    return Cameras(K=K, cam_from_world=poses, width=WIDTH, height=HEIGHT)


@pytest.fixture(scope="module")
def folders(scene, cameras, tmp_path_factory):
    root = tmp_path_factory.mktemp("scene")
    teachers = {"lang": Dotted("lang", 12), "dino": Dotted("dino", 8), "object": Dotted("object", 4, cell=16)}
    made = make_teacher_views(scene, cameras, teachers, out=root / "views")
    assert (
        made["views"] == 3
        and made["grids"] == {"lang": [4, 6], "dino": [4, 6], "object": [2, 3]}
        and 0 < made["coverage"] <= 1
    )
    make_targets(scene, root / "views", STORED, out=root / "targets")
    return root


def naive(scene, cameras, maps):
    """Lifting by the rasteriser's own backward pass, at full resolution: the weights are the gradients of the colours,
    pixel by pixel."""
    full = torch.nn.functional.interpolate(
        maps.permute(0, 3, 1, 2).float(), (HEIGHT, WIDTH), mode="bilinear", align_corners=False
    )
    full = full.permute(0, 2, 3, 1)
    full = torch.cat([full, torch.ones_like(full[..., :1])], dim=-1)  # the last channel sums the weights
    sums = []
    for part in full.split(3, dim=-1):
        part = torch.nn.functional.pad(part, (0, 3 - part.shape[-1]))
        flat = scene_from_colors(
            scene.means, scene.quats, scene.scales, scene.opacities, torch.full((len(scene), 3), 0.5)
        )
        sh = flat.sh.clone().requires_grad_()
        rendered = render(type(flat)(**{**flat.tensors(), "sh": sh}), cameras)
        (rendered.colors * part).sum().backward()
        sums.append(sh.grad[:, 0] / 0.28209479177387814)
    sums = torch.cat(sums, dim=-1)
    channels = maps.shape[-1]
    return sums[:, :channels], sums[:, channels]


def test_factorized_lifting_equals_naive_full_resolution_lifting(scene, cameras, folders):
    views = load_teacher_views(folders / "views")
    for role in views.roles:
        maps = views.maps(role).float()
        rows, columns = views.grid(role)
        weights = scene_weights(scene, cameras, rows=rows, columns=columns)
        sums, total = naive(scene, cameras, maps)
        valid = total > 1e-3
        assert 0.5 < valid.float().mean() < 1
        torch.testing.assert_close(weights.total, total, atol=1e-3, rtol=1e-5)
        expected = torch.where(valid[:, None], sums / total.clamp_min(1e-9)[:, None], 0)
        torch.testing.assert_close(lifted([(slice(None), weights)], maps, valid), expected, atol=1e-5, rtol=0)


def test_stored_targets_agree_to_half_precision(scene, cameras, folders):
    targets = load_targets(folders / "targets", folders / "views", scene=scene)
    for role in targets.roles:
        rows, columns = targets.views.grid(role)
        exact = scene_weights(scene, cameras, rows=rows, columns=columns)
        expected = lifted([(slice(None), exact)], targets.maps(role), targets.valid(role))
        torch.testing.assert_close(targets.lifted(role), expected, atol=2e-3, rtol=0)
        assert not targets.valid(role)[-1] and not targets.features(role)[-1].any()


def test_the_rows_are_what_was_lifted_to_the_error_asked_for_and_say_so(scene, folders, tmp_path):
    for asked in (0.1, 0.01, 0.002):
        facts = make_targets(scene, folders / "views", replace(MADE_AGAIN, rows_error=asked), out=tmp_path)
        targets = load_targets(tmp_path, folders / "views", scene=scene)
        for role in targets.roles:
            valid = targets.valid(role)
            rows, exact = targets.features(role)[valid], targets.lifted(role)[valid]
            said = facts["roles"][role]
            found = (rows - exact).square().sum() / (exact - exact.mean(dim=0)).square().sum()
            cosine = torch.nn.functional.cosine_similarity(rows, exact, dim=1)
            assert found < asked and abs(float(found) - said["error"]) < 2e-5
            assert abs(float(cosine.mean()) - said["cosine_mean"]) < 1e-5
            assert float(cosine.min()) - 1e-6 <= said["cosine_p01"] <= said["cosine_mean"]
        assert json.loads((tmp_path / "metrics.json").read_text()) == facts


def test_rows_of_other_gaussians_and_values_that_are_none_are_refused(scene, folders, tmp_path):
    moved = replace(scene, means=scene.means.roll(1, dims=0))
    with pytest.raises(
        InputError, match=r"rows\.safetensors: expected the 120 Gaussians it was made for, got 120 others"
    ):
        load_targets(folders / "targets", folders / "views", scene=moved).features("lang")
    shutil.copytree(folders / "views", tmp_path / "views")
    maps = load_teacher_views(tmp_path / "views").maps("dino")
    maps[0, 2, 2] = float("nan")
    save_file({"features": maps}, tmp_path / "views" / "dino.safetensors")
    with pytest.raises(InputError, match="finite features of dino"):
        make_targets(scene, tmp_path / "views", MADE_AGAIN, out=tmp_path / "targets")


def test_too_little_disk_or_memory_is_said_before_the_work_starts(scene, folders, tmp_path, monkeypatch):
    monkeypatch.setattr("chorus.teachers.lift.weight_parts", None)  # the work
    monkeypatch.setattr("shutil.disk_usage", lambda _: namedtuple("Usage", "free")(1000))
    with pytest.raises(InputError, match=r"0\.00 GB of free disk for the targets of a scene"):
        make_targets(scene, folders / "views", MADE_AGAIN, out=tmp_path / "none")
    monkeypatch.undo()
    monkeypatch.setattr("chorus.teachers.lift.weight_parts", None)
    monkeypatch.setattr("chorus.room.available_memory", lambda: 1000.0)
    with pytest.raises(InputError, match="memory: expected .* free for lifting to 120 Gaussians.*Fit fewer"):
        make_targets(scene, folders / "views", MADE_AGAIN, out=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_too_little_room_for_all_views_is_said_after_the_first_batch(scene, cameras, tmp_path, monkeypatch):
    teachers = {"lang": Dotted("lang", 12), "object": Dotted("object", 4, cell=16)}
    halves = {"lang": 2 * 3 * 4 * 6 * 12, "object": 2 * 3 * 2 * 3 * 4}
    monkeypatch.setattr("chorus.teachers.views.save_features", None)  # nothing is written before
    renders = 3 * WIDTH * HEIGHT
    usage = namedtuple("Usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(sum(halves.values()) + renders - 1))
    with pytest.raises(InputError, match="free disk for the teachers' features of 3 views"):
        make_teacher_views(scene, cameras, teachers, out=tmp_path / "views", batch=1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(sum(halves.values()) + renders))
    monkeypatch.setattr("chorus.room.available_memory", lambda: sum(halves.values()) + halves["lang"] - 1)
    with pytest.raises(InputError, match="memory: .*for the teachers' features of 3 views.*Take fewer views"):
        make_teacher_views(scene, cameras, teachers, out=tmp_path / "views", batch=1)


@pytest.mark.parametrize("at_once", [1, 10**9])
def test_weights_beyond_the_budget_are_made_again_at_each_use(scene, folders, tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(splat_weights.view_parts, "__kwdefaults__", {"at_once": at_once})  # a view at a time, or all
    facts = make_targets(scene, folders / "views", MADE_AGAIN, out=tmp_path)
    assert not (tmp_path / "weights.safetensors").exists() and set(facts["entries"]) == {"4x6", "2x3"}
    stored, again = (
        load_targets(folders / "targets", folders / "views", scene=scene),
        load_targets(tmp_path, folders / "views", scene=scene),
    )
    for role in stored.roles:
        assert torch.equal(stored.valid(role), again.valid(role))
        torch.testing.assert_close(stored.lifted(role), again.lifted(role), atol=2e-3, rtol=0)
        whole = again.weights(role)
        assert len(list(again.parts(role))) == (3 if at_once == 1 else 1) and whole.shape == stored.weights(role).shape
        assert torch.equal(whole.indptr, stored.weights(role).indptr) and torch.equal(
            whole.indices, stored.weights(role).indices
        )
    for wrong, said in ((None, "the scene of these targets"), (scene.select(torch.arange(10)), "a scene of 10")):
        with pytest.raises(InputError, match=said):
            load_targets(tmp_path, folders / "views", scene=wrong).weights("lang")


def test_the_budget_is_shared_by_the_matrices(scene, folders, tmp_path):
    sizes = {
        key: stored_bytes(load_weights(folders / "targets" / "weights.safetensors", key)) for key in ("2x3", "4x6")
    }
    naive = storage(folders / "targets")["naive_bytes"]
    for room, expected in ((sizes["2x3"], ("2x3",)), (sum(sizes.values()), ("2x3", "4x6")), (sizes["2x3"] - 1, ())):
        out = tmp_path / str(room)
        make_targets(scene, folders / "views", replace(STORED, weights_budget=(room + 0.5) / naive), out=out)
        assert stored_names(out / "weights.safetensors") == expected


def test_one_matrix_a_grid_not_a_teacher(folders):
    names = {name.split(".")[0] for name in load_file(folders / "targets" / "weights.safetensors")}
    assert names == {"4x6", "2x3"}


def test_same_input_same_bytes(scene, folders, tmp_path):
    make_targets(scene, folders / "views", STORED, out=tmp_path)
    for name in ("weights.safetensors", "rows.safetensors", "metrics.json"):
        assert (tmp_path / name).read_bytes() == (folders / "targets" / name).read_bytes()


def test_storage_counts_files(folders):
    sizes = storage(folders / "targets")
    assert sizes["naive_bytes"] == 120 * (12 + 8 + 4) * 2
    assert sizes["targets_bytes"] == sum(path.stat().st_size for path in (folders / "targets").glob("*.safetensors"))


def test_phi_s_over_scenes_standardises_what_a_training_reads(scene, folders):
    targets = load_targets(folders / "targets", folders / "views", scene=scene)
    for role in targets.roles:
        phi_s = fit_phi_s([targets.rows, targets.rows], role)
        x = targets.features(role)[targets.valid(role)]
        z = phi_s.apply(x)
        torch.testing.assert_close(z.mean(dim=0), torch.zeros(z.shape[1]), atol=0.05, rtol=0)
        torch.testing.assert_close(z.square().mean(dim=0), torch.ones(z.shape[1]), atol=0.1, rtol=0)
        torch.testing.assert_close(phi_s.invert(z), x, atol=1e-4, rtol=0)
        matrix, offset = targets.rows.reading(role, phi_s)
        along = phi_s.apply(targets.features(role))[targets.rows.order(scene)]
        valid = targets.rows.valid(role)
        torch.testing.assert_close(
            (offset + targets.rows.coefficients(role) @ matrix)[valid], along[valid], atol=1e-4, rtol=0
        )


def test_rendering_a_constant_back_gives_the_coverage(scene, folders):
    weights: PatchWeights = load_targets(folders / "targets", folders / "views", scene=scene).weights("lang")
    rendered = render_features(weights, torch.ones(weights.shape[0], 1))[:, 0]
    torch.testing.assert_close(rendered, weights.coverage, atol=0.05, rtol=2e-3)


def test_damaged_folders_say_which_file(scene, folders, tmp_path):
    with pytest.raises(MissingError, match=r"cameras\.json"):
        load_targets(tmp_path, tmp_path)
    targets = load_targets(tmp_path, folders / "views", scene=scene)
    with pytest.raises(InputError, match=r"rows\.safetensors.*Make the targets again"):
        targets.features("lang")
    (tmp_path / "rows.safetensors").write_bytes((folders / "targets" / "rows.safetensors").read_bytes())
    (tmp_path / "weights.safetensors").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"weights\.safetensors.*Make the targets again"):
        targets.weights("lang")


def test_patches_that_take_no_part_lift_nothing(scene, cameras):
    from chorus.splat.weights import scene_weights, without_columns
    from chorus_kernels import lift

    whole = scene_weights(scene, cameras, rows=4, columns=4)
    left_out = torch.zeros(whole.shape[1], dtype=torch.bool)
    left_out[::3] = True
    part = without_columns(whole, left_out)
    dense = torch.zeros(whole.shape)
    rows = torch.repeat_interleave(torch.arange(whole.shape[0]), whole.indptr.diff())
    dense[rows, whole.indices.long()] = whole.values
    dense[:, left_out] = 0
    assert torch.allclose(part.total, dense.sum(dim=1), atol=1e-4 * float(whole.total.max()))
    maps = torch.randn(whole.shape[1], 5)
    assert torch.allclose(lift(part, maps), dense @ maps, atol=1e-3)
    assert bool((part.coverage[left_out] == 0).all())
