"""From a store to a report: two tiny rooms with everything in its place, and what is said when something is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import chorus
from chorus.cameras import Cameras, look_at
from chorus.capture import Capture
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel, save_model
from chorus.encoder.inputs import CHANNELS, InputConfig
from chorus.encoder.model import EncoderConfig
from chorus.errors import ChorusError, StoreError
from chorus.evaluate import images
from chorus.evaluate.collect import collect, label_set
from chorus.evaluate.measure import measure
from chorus.evaluate.report import write_report
from chorus.evaluate.rooms import Rooms
from chorus.io import read_scene, write_scene
from chorus.params import load_params
from chorus.scene import scene_from_colors
from chorus.splat.labels import label_gaussians, save_labels
from chorus.store import Store, build
from chorus.teachers.lift import make_targets
from chorus.teachers.views import make_teacher_views

NAMES = ("unlabelled", "floor", "chair", "piano")
DIM = 8
PARAMS = load_params(Path(__file__).parents[3] / "params.yaml")


class Teacher:
    """Sees the red part of a picture as one thing and the rest as another."""

    name, role, dim = "tiny", "lang", DIM

    def features(self, images):
        small = torch.nn.functional.interpolate(images.permute(0, 3, 1, 2), (6, 8)).permute(0, 2, 3, 1)
        return torch.nn.functional.pad(small, (0, DIM - 3))


def _capture():
    """Three views, 2 m above a floor whose right half is a red chair."""
    K = np.array([[[40.0, 0, 20], [0, 40, 15], [0, 0, 1]]] * 3)
    poses = np.stack([look_at([x, 0.0, 2], [x, 0.0, 0]) for x in (-0.2, 0.0, 0.2)])
    cameras = Cameras(K=K, cam_from_world=poses, width=40, height=30)
    sign = np.sign(cameras.world_from_cam[:, 0, 0])
    world_x = np.array([[-0.2], [0.0], [0.2]]) + (np.arange(40) + 0.5 - 20) / 20 * sign[:, None]
    semantic = np.repeat(np.where(world_x < 0, 1, 2)[:, None], 30, axis=1).astype(np.uint8)
    images = np.where(semantic[..., None] == 2, [200, 20, 20], [90, 90, 90]).astype(np.uint8)
    depth = np.full(semantic.shape, 2.0, np.float32)
    labels = {"semantic": semantic, "instance": semantic.astype(np.uint16), "class_names": NAMES}
    return Capture(
        images=images, cameras=cameras, depth=depth, info={"home": "drawn", "models": {"own/box": 2}}, **labels
    )


def _scene():
    flat = np.stack(np.meshgrid(np.linspace(-1, 1, 25), np.linspace(-0.7, 0.7, 18)), -1).reshape(-1, 2)
    means = torch.tensor(
        np.concatenate([flat, 1e-3 * np.random.default_rng(0).random((len(flat), 1))], 1), dtype=torch.float32
    )
    n = len(means)
    rgb = torch.where(means[:, :1] < 0, torch.tensor([[0.35, 0.35, 0.35]]), torch.tensor([[0.8, 0.1, 0.1]]))
    return scene_from_colors(
        means, torch.tensor([[1.0, 0, 0, 0]]).expand(n, 4), torch.full((n, 3), 0.04), torch.full((n,), 0.95), rgb
    )


def _save_models(folder):
    for variant in ("points", "splats"):
        torch.manual_seed(0)
        encoder = EncoderConfig(
            in_channels=CHANNELS[variant], channels=(8, 16), depths=(0, 1), heads=(1, 2), window=32, drop_path=0.0
        )
        heads = {"lang": HeadConfig(channels=DIM, width=16)}
        model = SceneModel(
            ModelConfig(encoder=encoder, inputs=InputConfig(variant=variant, grid_size=0.08), heads=heads, text="drawn")
        )
        save_model(model, folder / variant)
    (folder / "splats" / "curves.csv").write_text("step,loss\n0,1.0\n1,0.5\n")


def _put(path, make):
    build(path, stage="drawn", recipe=1, params={}, inputs={}, make=make)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("workspace"))
    capture, scene = _capture(), _scene()
    for name in ("room-a", "room-b"):
        _put(store.scene(name, "capture"), capture.save)

        def gaussians(out):
            write_scene(out / "scene.ply", scene)
            (out / "metrics.json").write_text('{"psnr_blind_heldout": 25.5, "psnr_raw_heldout": 24.5}')
            save_labels(out / "labels.npz", label_gaussians(scene, capture))

        _put(store.scene(name, "gaussians"), gaussians)
        _put(
            store.scene(name, "teacher_views"),
            lambda out: make_teacher_views(scene, capture.cameras, {"lang": Teacher()}, out=out),
        )
        views = store.scene(name, "teacher_views")
        _put(store.scene(name, "targets"), lambda out, views=views: make_targets(scene, views, PARAMS.targets, out=out))
    _put(store.model("encoder"), _save_models)
    return store


@pytest.fixture(autouse=True)
def words(monkeypatch):
    """Floor is grey, a chair is red, a piano is nothing seen here."""

    def embed(prompts):
        table = {"this is a floor": [0.35, 0.35, 0.35], "this is a chair": [0.8, 0.1, 0.1]}
        return torch.nn.functional.pad(torch.tensor([table.get(p, [0.0, 0.0, -1.0]) for p in prompts]), (0, DIM - 3))

    monkeypatch.setattr(chorus, "_text_encoder", lambda source: embed)


def test_a_store_becomes_a_report(store, tmp_path):
    inputs = collect(
        store, PARAMS, Rooms(test=["room-a"], probe_train=["room-b"]), seconds={"capture": 2.0}, teachers=False
    )
    assert inputs.names == NAMES[1:] and inputs.withheld == ("piano",) and inputs.taught == ("floor", "chair")
    assert set(inputs.test[0].fields) == {"student", "points", "lifted", "random", "color_only", "noisy"}
    assert inputs.trained_models == {"own/box"} and inputs.test[0].info["models"] == {"own/box": 2}
    assert set(inputs.curves) == {"encoder/splats"} and inputs.storage["naive_bytes"] > 0
    assert "gaussians of room-a" in inputs.provenance and inputs.test[0].info["home"] == "drawn"
    report = measure(inputs, PARAMS.evaluate)
    assert report["zero_shot"]["lifted"]["f_miou"] > 80  # one class in front: the chair
    assert report["linear_probe"]["color_only"]["miou"] > 80
    written = write_report(tmp_path, inputs, PARAMS.evaluate)
    assert written["seconds"]["work"]["capture"] == 2.0 and written["seconds"]["wall"]["evaluation"] > 0
    assert report["fit"]["psnr_blind_median"] == 25.5 and report["fit"]["psnr_raw_median"] == 24.5
    assert report["adaptation"]["before"]["f_miou"] is None and report["validation"] == {}
    assert report["provenance"] == dict(inputs.provenance) and report["settings"]["distill.steps"] == 900


def test_adaptation_is_measured_where_there_is_an_adapted_model(store):
    rooms = Rooms(test=["room-a"], adaptation=["room-b"])
    inputs = collect(store, PARAMS, rooms, teachers=False, adapted=store.model("encoder"))
    assert set(inputs.adaptation[0].fields) == {"before", "after"}
    report = measure(inputs, PARAMS.evaluate)
    assert report["adaptation"]["gain"]["f_miou"] == 0.0  # the same model twice


def test_validation_rooms_beside_the_test_are_measured_alike(store):
    rooms = Rooms(test=["room-a"], adaptation=["room-a"], validation=["room-b"], validation_adaptation=["room-b"])
    inputs = collect(store, PARAMS, rooms, teachers=False, adapted=store.model("encoder"))
    assert set(inputs.validation[0].fields) == {"student", "points"}
    assert "targets of room-b" in inputs.provenance and set(inputs.fit) == {"room-a", "room-b"}
    found = measure(inputs, PARAMS.evaluate)
    student = found["zero_shot"]["student"]  # the two rooms hold the same things
    assert found["validation"]["student"] == {key: student[key] for key in ("f_miou", "f_macc")}
    assert found["validation"]["adaptation"]["after"]["f_miou"] == found["adaptation"]["after"]["f_miou"]


def test_validation_can_be_the_test(store):
    inputs = collect(store, PARAMS, Rooms(split="validation", test=["room-a"], probe_train=["room-b"]), teachers=False)
    report = measure(inputs, PARAMS.evaluate)
    assert report["data"]["split"] == "validation" and report["data"]["rooms"] == ["room-a"]


def test_foundation_teachers_were_taught_by_no_label_of_ours(store):
    params = replace(PARAMS, teachers=replace(PARAMS.teachers, family="foundation"))
    inputs = collect(store, params, Rooms(test=["room-a"], probe_train=["room-b"]), teachers=False)
    assert inputs.taught == inputs.names and not inputs.withheld and "teachers/embedded" not in inputs.provenance


def test_a_room_without_labels_or_a_model_is_named(store):
    with pytest.raises(StoreError, match="a labelled capture"):
        label_set(store, ["nowhere"])
    with pytest.raises(ChorusError, match="model"):
        collect(store, PARAMS, Rooms(test=["room-a"]), teachers=False, encoder=store.root / "absent")
    assert len(read_scene(store.scene("room-a", "gaussians"))) == 450


def test_a_test_room_without_targets_stops_the_evaluation(store):
    for rooms in (
        Rooms(test=["room-a", "room-c"]),
        Rooms(test=["room-a"], adaptation=["room-c"]),
        Rooms(test=["room-a"], validation=["room-c"]),
        Rooms(test=["room-a"], validation_adaptation=["room-c"]),
    ):
        with pytest.raises(StoreError, match="held-out rooms: expected current targets .* none of room-c"):
            collect(store, PARAMS, rooms, teachers=False)


def test_teachers_are_judged_on_every_fourth_render(store, monkeypatch):
    seen = {}

    def judge(teachers, captures, *, withheld, renders, picture):
        seen.update(views=[len(capture) for capture in captures], renders=[len(views) for views in renders])
        picture.write_bytes(b"png")
        return {"rooms": 1, "lang": {"miou": 0.25, "withheld_f_miou": None}}

    monkeypatch.setattr(images, "report_teachers", judge)
    monkeypatch.setattr(images, "load_teachers", lambda params, store, device: {})
    scores, sheet = images.teacher_scores(store, ["room-a", "room-b"], PARAMS.teachers)
    assert seen == {"views": [1, 1], "renders": [1, 1]} and sheet == b"png"
    assert scores == {"rooms": 1, "lang": {"miou": 25.0, "withheld_f_miou": None}}
