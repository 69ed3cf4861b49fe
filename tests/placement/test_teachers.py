"""Teacher views and lifting on the stand-in: three families of teachers, patches and masks."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml

from chorus.params import TargetParams, load_params
from chorus.scene import scene_from_colors
from chorus.teachers.embedded.train import Decoders, train_embedded
from chorus.teachers.embedded.views import training_views
from chorus.teachers.foundation import load_foundation
from chorus.teachers.foundation.standins import write_standins
from chorus.teachers.lift import load_targets, make_targets
from chorus.teachers.load import load_teachers
from chorus.teachers.mask_lift import scene_mask_weights
from chorus.teachers.masks import MaskTargets
from chorus.teachers.views import load_teacher_views, make_teacher_views
from tests.kernels.scenes import relative
from tests.placement import standin
from tests.unit.teachers.conftest import drawn_room  # noqa: F401 - a fixture

ROOT = Path(__file__).parents[2]
WEIGHTS = TargetParams(min_weight=1e-3, rows_error=0.01, weights_budget=100.0)
MADE_AGAIN = TargetParams(min_weight=1e-3, rows_error=0.01, weights_budget=0.0)
MASKS = {"points_per_side": 4, "pred_iou": 0.7, "stability": 0.5, "box_nms": 0.97, "mask_nms": 1.0, "min_area": 0}


@pytest.fixture(scope="module")
def scene():
    draw = torch.Generator().manual_seed(0)
    u = torch.rand(60, 10, generator=draw)
    means = u[:, :3] * torch.tensor([3.6, 2.6, 2.0]) - torch.tensor([1.8, 1.3, 0.0])
    quats = torch.randn(60, 4, generator=draw)
    return scene_from_colors(means, quats, u[:, 3:6] * 0.3 + 0.1, u[:, 6] * 0.9 + 0.05, u[:, 7:])


@pytest.fixture(scope="module")
def cameras(room):
    return room.cameras.resized(64, 64).select([0, 3])


@pytest.fixture(scope="module")
def embedded():
    return load_params(ROOT / "params.yaml").teachers


@pytest.fixture
def paper(tmp_path):
    overlay = yaml.safe_load((ROOT / "params.paper.yaml").read_text())
    own = {**write_standins(tmp_path / "models"), "cache": "", "mask": MASKS}
    overlay["teachers"]["foundation"] |= own
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    return load_params(ROOT / "params.yaml", tmp_path / "overlay.yaml").teachers


def test_embedded_teachers_see_and_are_lifted(device, scene, cameras, embedded, tmp_path):
    lifted, targets = {}, {}
    for name, where in (("cpu", "cpu"), ("there", device)):
        folder = tmp_path / name
        make_teacher_views(scene, cameras, load_teachers(embedded, device=where), out=folder, batch=1, device=where)
        for kept, params in (("kept", WEIGHTS), ("again", MADE_AGAIN)):
            make_targets(scene, folder, params, out=folder / kept, device=where)
            targets[name] = found = load_targets(folder / kept, folder, scene=scene.to(where))
            lifted[name, kept] = {role: found.lifted(role) for role in found.roles}
    for role, expected in lifted["cpu", "kept"].items():
        for kept in ("kept", "again"):
            got = lifted["there", kept][role]
            assert got.device == device
            assert relative(got.cpu(), expected) < 0.05, (role, kept)
        assert torch.equal(targets["there"].valid(role), targets["cpu"].valid(role))


def test_foundation_teachers_see_and_are_lifted(device, scene, cameras, paper, tmp_path):
    for name, where in (("cpu", "cpu"), ("there", device)):
        teachers = load_foundation(paper, tmp_path, device=where)
        with standin.lending():
            make_teacher_views(scene, cameras, teachers, out=tmp_path / name, batch=2, device=where)
        make_targets(scene, tmp_path / name, MADE_AGAIN, out=tmp_path / name / "targets", device=where)
    here, there = (load_teacher_views(tmp_path / name) for name in ("cpu", "there"))
    for role in ("dino", "object"):
        assert relative(there.maps(role).float(), here.maps(role).float()) < 0.02, role
    assert there.by_mask("lang") and len(there.masks("lang").vectors)
    found = load_targets(tmp_path / "there" / "targets", tmp_path / "there", scene=scene.to(device))
    assert all(found.lifted(role).device == device for role in found.roles)


def test_weights_on_masks_are_the_cpus(device, scene, room):
    cameras = room.cameras.select([0, 3])
    labels = torch.arange(2 * 16 * 24).view(2, 16, 24) // 130
    labels = torch.where(labels > 1, labels - 1, 0).int()
    labels[1] += int(labels[0].max()) * (labels[1] > 0) - int(labels[1][labels[1] > 0].min()) + 1
    targets = MaskTargets(labels=labels.clamp_min(0), vectors=torch.zeros(int(labels.max()), 4).half())
    want = scene_mask_weights(scene, cameras, targets)
    got = scene_mask_weights(scene.to(device), cameras, targets)
    assert got.values.device == device and got.shape == want.shape
    assert relative(got.total.cpu(), want.total) < 1e-4 and relative(got.coverage.cpu(), want.coverage) < 1e-4


def test_the_host_fetches_what_it_writes_once_a_batch(device, scene, cameras, embedded, tmp_path):
    reads = []
    teachers = load_teachers(embedded, device=device)
    for number, repeats in enumerate((2, 4)):
        views = cameras.select([0, 1] * (repeats // 2))
        with standin.waits() as found:
            make_teacher_views(scene, views, teachers, out=tmp_path / str(number), batch=1, device=device)
        reads.append(found)
    more = standin.host_reads(reads[1]) - standin.host_reads(reads[0])
    assert more == 2 * (2 + len(teachers)), reads  # pixels and coverage of a batch, and each teacher's answer


def test_embedded_teachers_learn_as_on_the_cpu(device, embedded, drawn_room, tmp_path):  # noqa: F811
    params = replace(embedded, train_steps=6, withheld=())
    captures, curves = [drawn_room(seed) for seed in range(3)], []
    for where in ("cpu", device):
        metrics = train_embedded(captures, params, out=tmp_path / str(where), seed=0, device=where)
        curves.append([row["loss"] for row in metrics["losses"]])
    assert curves[1] == pytest.approx(curves[0], rel=0.02)


def test_a_step_of_the_embedded_teachers_reads_nothing(device, embedded, drawn_room, tmp_path):  # noqa: F811
    params = replace(embedded, train_steps=6, withheld=())
    views = training_views([drawn_room(seed) for seed in range(3)], withheld=(), folder=tmp_path)
    task = Decoders(views, params, seed=0, device=device)
    with standin.waits() as found:
        for sample in range(4):
            sum(task.losses(sample, sample).values()).backward()
            task.optimizer.step()
            task.stepped(sample)
    assert standin.host_reads(found) == 0, found
