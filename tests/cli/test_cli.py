"""The command line as a user meets it: help, work, and one clear line with exit code 2 for every mistake."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import chorus
from chorus import cli
from chorus.adapt.lora import LowRank, add_low_rank, fold_low_rank, save_low_rank
from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.encoder.adapter import content_of
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel, save_model
from chorus.encoder.encode import SceneEncoder
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import EncoderConfig
from chorus.evaluate.strip import COLUMNS
from chorus.frames import Frame
from chorus.io import read_features, read_scene, write_scene
from chorus.json_files import read_json
from chorus.moving import move
from chorus.scene import scene_from_colors
from chorus.sources import kind_of
from chorus.store import build
from chorus.teachers.embedded.sentences import sentences
from chorus.text import prompt
from chorus.verbs import opened
from tests.unit.sources.furnished_room import furnished_room

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A root with the project's parameters and nothing else."""
    (tmp_path / "params.yaml").write_text((PROJECT / "params.yaml").read_text())
    monkeypatch.setenv("CHORUS_ROOT", str(tmp_path))
    monkeypatch.delenv("CHORUS_PARAMS", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    means = torch.tensor(
        np.concatenate([rng.random((300, 3)) * [4, 3, 0.02], rng.normal(size=(60, 3)) * 0.08 + [1, 1, 0.5]]),
        dtype=torch.float32,
    )
    red = torch.zeros(360, 3)
    red[300:, 0] = 1.0
    return scene_from_colors(
        means, torch.tensor([[1.0, 0, 0, 0]]).expand(360, 4), torch.full((360, 3), 0.05), torch.full((360,), 0.9), red
    )


class Words:
    config = SimpleNamespace(text="embedded")

    def encode(self, scene, *, outputs):
        chair = (scene.rgb[:, 0] > 0.7).float()
        self.lang = torch.stack([chair, 1 - chair, 0 * chair, 0 * chair], 1)
        self.upcast = torch.ones(len(scene), 5)
        return self

    def text(self, prompts):
        names = {"chair": 0, "wall": 1, "piano": 2}
        called = {name: [name, *sentences().of(name, "train")] for name in names}
        places = {prompt(words): names[name] for name in names for words in called[name]}
        return torch.eye(4)[[places.get(p, 3) for p in prompts]]


def test_the_list_of_teachers_says_which_preset_needs_what(workspace, capsys):
    cli.main(["teachers", "list"])
    rows = {line.split()[1]: line for line in capsys.readouterr().out.splitlines() if line.startswith("-")}
    assert "Apache-2.0" in rows["siglip2"] and rows["siglip2"].endswith("paper") and "4544 MB" in rows["siglip2"]
    assert "DINOv3 License, gated" in rows["dinov3"] and rows["radio"].endswith("radio")


def _fails(capsys, *words) -> str:
    with pytest.raises(SystemExit) as stop:
        cli.main([str(word) for word in words])
    captured = capsys.readouterr()
    assert stop.value.code == 2
    assert captured.err.startswith("chorus: ") and captured.err.count("\n") == 1 and "Traceback" not in captured.err
    return captured.err


def test_help_names_every_verb_and_loads_nothing_heavy():
    code = (
        "import sys, chorus.cli as c\ntry: c.main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT, timeout=60
    )
    assert all(verb in done.stdout for verb in cli.VERBS) and done.stdout.rstrip().endswith("[]")


def test_an_error_in_a_process_of_its_own(workspace):
    own = {**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), str(PROJECT / "kernels")])}
    done = subprocess.run(
        [sys.executable, "-m", "chorus.cli", "report"],
        capture_output=True,
        text=True,
        cwd=workspace,
        env=own,
        timeout=60,
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "metrics.json" in done.stderr and not done.stdout


@pytest.mark.parametrize("words", [["--help"], ["query", "--help"], ["describe", "sample"]])
def test_a_reader_that_leaves_ends_it_without_a_word(words):
    """As in: chorus --help | head"""
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "chorus", *words], stdout=write, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(write)
    assert done.returncode == 141
    assert "Error" not in done.stderr and "Traceback" not in done.stderr


def test_debug_shows_where_it_came_from(workspace):
    with pytest.raises(cli.ChorusError):
        cli.main(["report", "--debug"])


def test_report_rewrites_the_results_of_a_markdown_file(workspace, capsys):
    reports = workspace / "data" / "reports" / "held_out"
    reports.mkdir(parents=True, exist_ok=True)
    (reports / "metrics.json").write_bytes((PROJECT / "docs" / "metrics.json").read_bytes())
    (reports / "plots").mkdir()
    for _, name in COLUMNS:
        for side in ("above", "inside"):
            Image.new("RGB", (30, 20), "red").save(reports / "plots" / f"kitchen_{name}_{side}.png")
    (workspace / "README.md").write_text("<!-- results -->\n<!-- /results -->\n")
    cli.main(["report", "--markdown", "README.md"])
    assert "zero-shot f-mIoU" in (workspace / "README.md").read_text()
    assert (workspace / "docs" / "metrics.json").is_file()
    assert "written: README.md, docs/metrics.json, docs/picture.png" in capsys.readouterr().out


def test_unknown_scenes_are_named_with_the_nearest(workspace, scene, capsys):
    assert "there is none yet" in _fails(capsys, "query", "kitchn", "a chair")
    build(
        workspace / "data/gaussians/kitchen",
        stage="x",
        recipe=1,
        params={},
        inputs={},
        make=lambda out: write_scene(out / "scene.ply", scene),
    )
    assert "Did you mean 'kitchen'?" in _fails(capsys, "query", "kitchn", "a chair")
    assert "nothing there" in _fails(capsys, "encode", "absent.ply", "-o", "x.safetensors")
    assert "scene id" in _fails(capsys, "fit", "Kitchen!")


def test_a_missing_model_is_named(workspace, scene, capsys):
    write_scene(workspace / "room.ply", scene)
    assert "encoder's folder" in _fails(capsys, "query", "room.ply", "a chair", "--model", "nowhere")
    (workspace / "empty").mkdir()
    assert "config.json" in _fails(capsys, "query", "room.ply", "a chair", "--model", "empty")


def test_broken_files_are_refused(workspace, scene, capsys):
    (workspace / "text.ply").write_text("not a ply")
    assert "text.ply" in _fails(capsys, "query", "text.ply", "a chair")
    (workspace / "points.ply").write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\nproperty float z\n"
        "end_header\n0 0 0\n"
    )
    assert "points.ply" in _fails(capsys, "show", "points.ply")
    scene.means[3, 0] = float("nan")
    with pytest.raises(cli.ChorusError):
        write_scene(workspace / "nan.ply", scene)


def test_queries_print_a_table_and_leave_a_map(workspace, scene, capsys, monkeypatch):
    monkeypatch.setattr(opened, "encoder", lambda *_: Words())
    write_scene(workspace / "room.ply", scene)
    cli.main(["query", "room.ply", "a chair", "a piano", "-o", "maps"])
    out = capsys.readouterr().out
    row = next(line.split() for line in out.splitlines() if line.endswith(" 60"))
    np.testing.assert_allclose([float(x) for x in row[1:4]], [1, 1, 0.5], atol=0.06)
    assert (
        "nothing answers" in out
        and (workspace / "maps/room-a-chair.ply").exists()
        and (workspace / "maps/room-a-piano.png").exists()
    )
    assert "words to look for" in _fails(capsys, "query", "room.ply")
    assert "words to look for" in _fails(capsys, "query", "room.ply", " ")


def test_encode_writes_one_file_an_output(workspace, scene, capsys, monkeypatch):
    size = EncoderConfig(channels=(2, 3), depths=(0, 1), heads=(1, 1), window=16)
    model = SceneModel(
        ModelConfig(encoder=size, inputs=InputConfig(grid_size=0.1), heads={"lang": HeadConfig(channels=3, width=8)})
    )
    monkeypatch.setattr(opened, "encoder", lambda *_: SceneEncoder(model))
    write_scene(workspace / "room.ply", scene)
    cli.main(["encode", "room.ply", "-o", "f.safetensors"])
    assert read_features(workspace / "f.safetensors").features.shape == (360, 3)
    cli.main(["encode", "room.ply", "-o", "f.safetensors", "--outputs", "lang", "upcast"])
    assert read_features(workspace / "f.upcast.safetensors").info == {"output": "upcast", "scene": "room.ply"}
    assert capsys.readouterr().out.count("360 Gaussians") == 3


def test_show_draws_a_scene(workspace, scene):
    write_scene(workspace / "room.ply", scene)
    cli.main(["show", "room.ply", "-o", "room.png"])
    assert (workspace / "room.png").stat().st_size > 1000


def test_ingest_refuses_what_it_cannot_take(workspace, capsys):
    assert "nothing there" in _fails(capsys, "ingest", "nowhere", "--as", "kitchen")
    (workspace / "empty").mkdir()
    assert "empty folder" in _fails(capsys, "ingest", "empty", "--as", "kitchen")
    assert not (workspace / "data/capture/kitchen").exists() or not any((workspace / "data/capture/kitchen").iterdir())
    assert "scene id" in _fails(capsys, "ingest", "empty", "--as", "../kitchen")
    (workspace / "other").mkdir()
    assert "empty folder" in _fails(capsys, "ingest", "other", "--as", "kitchen", "--up", "z"), "the name is free again"
    (workspace / "cut.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nend_header\n1\n")
    assert "cut.ply" in _fails(capsys, "ingest", "cut.ply", "--as", "kitchen")
    (workspace / "cut.mp4").write_bytes(b"no video")
    assert "a video of at least" in _fails(capsys, "ingest", "cut.mp4", "--as", "kitchen")
    assert list((workspace / "data/incoming").iterdir()) == []


def test_a_refused_ingest_leaves_the_scene_as_it_was(workspace, capsys):
    write_scene(workspace / "room.ply", furnished_room())
    params = (workspace / "params.yaml").read_text()
    (workspace / "params.yaml").write_text(
        params.replace("views: 28", "views: 8").replace("width: 256", "width: 64").replace("height: 192", "height: 48")
    )
    cli.main(["ingest", "room.ply", "--as", "room", "--up", "z"])
    capsys.readouterr()
    assert "--depth-scale" in _fails(capsys, "ingest", "room.ply", "--as", "room", "--depth-scale", "1000")
    (workspace / "other").mkdir()
    assert "a free name" in _fails(capsys, "ingest", "other", "--as", "room")
    assert (workspace / "data/incoming/room.yaml").read_text() == "up: z\n"
    cli.main(["ingest", "room.ply", "--as", "room", "--up", "z"])
    assert "already there" in capsys.readouterr().out


def test_ingest_and_fit_leave_what_the_workflow_would(workspace, scene, capsys, monkeypatch):
    from chorus import sources
    from chorus.recipes import scenes
    from chorus.splat import artifact, fit

    views = Cameras(K=np.eye(3)[None] * 20.0, cam_from_world=np.eye(4)[None], width=4, height=3)
    monkeypatch.setattr(
        sources,
        "ingest",
        lambda path, params, options, report: Capture(images=np.zeros((1, 3, 4, 3), np.uint8), cameras=views),
    )
    monkeypatch.setattr(fit, "fit_scene", lambda capture, params, seed, device: scene)
    monkeypatch.setattr(artifact, "save_gaussians", lambda out, fitted, capture: write_scene(out / "scene.ply", fitted))
    (workspace / "frames").mkdir()
    for _ in range(2):
        cli.main(["ingest", "frames", "--as", "kitchen"])
        cli.main(["fit", "kitchen"])
    out = capsys.readouterr().out
    assert "kitchen: ingested" in out and "kitchen: fitted" in out and out.count("already there") == 2
    here = opened.workspace()
    assert scenes.capture(here, "kitchen").is_current and scenes.gaussians(here, "kitchen").is_current
    assert (workspace / "data/incoming/kitchen").resolve() == workspace / "frames"


def test_an_unknown_parameter_is_one_line_too(workspace, capsys):
    (workspace / "params.yaml").write_text("sed: 0\n")
    assert "Did you mean 'seed'?" in _fails(capsys, "report")


@pytest.mark.parametrize("verb", [["encode", "room.ply", "-o", "f.safetensors"], ["query", "room.ply", "a chair"]])
def test_a_device_that_is_not_there_is_one_line(workspace, scene, capsys, monkeypatch, verb):
    size = EncoderConfig(channels=(2, 3), depths=(0, 1), heads=(1, 1), window=16)
    heads = {"lang": HeadConfig(channels=3, width=8)}
    save_model(SceneModel(ModelConfig(encoder=size, inputs=InputConfig(grid_size=0.1), heads=heads)), workspace / "m")
    write_scene(workspace / "room.ply", scene)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("CHORUS_DEVICE", "cuda:3")
    with pytest.raises(SystemExit) as stop:
        cli.main([*verb, "--model", "m"])
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("chorus: CHORUS_DEVICE: expected a device this machine has, got 'cuda:3'")
    assert said.count("\n") == 1


def test_a_card_that_is_full_is_one_line(workspace, scene, capsys, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB.\nSee the documentation.")

    monkeypatch.setattr(opened, "encoder", full)
    write_scene(workspace / "room.ply", scene)
    with pytest.raises(SystemExit) as stop:
        cli.main(["encode", "room.ply", "-o", "f.safetensors"])
    assert stop.value.code == 2
    assert capsys.readouterr().err == (
        "chorus: the card's memory is used up: CUDA out of memory. Tried to allocate 20 GiB.\n"
    )


def test_splats_are_converted_labelled_and_cut(workspace, scene, capsys, monkeypatch):
    monkeypatch.setattr(opened, "encoder", lambda *_: Words())
    write_scene(workspace / "room.ply", scene)
    for source, target in (("room.ply", "a.compressed.ply"), ("a.compressed.ply", "b.spz"), ("b.spz", "c.splat")):
        cli.main(["convert", source, target])
    cli.main(["convert", "c.splat", "folder"])
    assert len(read_scene(workspace / "folder")) == len(scene)
    cli.main(["convert", "room.ply", "upright.ply", "--upright", "--up", "-y", "--unit", "cm"])
    turned = read_scene(workspace / "upright.ply")
    np.testing.assert_allclose(turned.means[:, 2], -0.01 * scene.means[:, 1], atol=1e-6)
    assert (turned.report.up, turned.report.unit) == ((0, 0, 1), 1)
    cli.main(["crop", "room.ply", "-o", "part.ply", "--box", "0", "0", "0.2", "4", "3", "1"])
    assert len(read_scene(workspace / "part.ply")) == 60
    capsys.readouterr()
    assert "--box or --object" in _fails(capsys, "crop", "room.ply", "-o", "x.ply")
    assert "--upright" in _fails(capsys, "convert", "room.ply", "x.ply", "--up", "y")
    assert "splat-transform" in _fails(capsys, "convert", "room.ply", "x.ksplat")
    assert "a .ply to hold labels" in _fails(capsys, "label", "room.ply", "-o", "x.spz")


def test_what_was_left_out_and_how_the_frame_is_known_are_said(workspace, scene, capsys):
    bad = scene.select(torch.arange(len(scene)))
    bad.quats[:5] = 0
    write_scene(workspace / "room.ply", bad)
    cli.main(["show", "room.ply", "--up", "z", "--unit", "cm"])
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "5 of 360 Gaussians left out: no rotation (a quaternion of zeros)"
    assert said[1].startswith("z up, as given; lengths in m, as given") and "one unit of it is 0.01 m" in said[1]


@pytest.mark.parametrize("suffix", [".ply", ".spz", ".compressed.ply"])
def test_splats_without_photos_become_a_scene_with_sampled_views(workspace, capsys, suffix):
    params = (workspace / "params.yaml").read_text()
    small = (
        params.replace("views: 28", "views: 8").replace("width: 256", "width: 64").replace("height: 192", "height: 48")
    )
    (workspace / "params.yaml").write_text(small)
    room = furnished_room()
    turned = move(room, turn=np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0.0]]), scale=0.25)  # y down, unscaled
    write_scene(workspace / f"room{suffix}", replace(turned, frame=Frame(up="assumed", unit="unknown")))
    cli.main(["ingest", f"room{suffix}", "--as", "room"])
    cli.main(["fit", "room"])
    capture = Capture.load(workspace / "data/capture/room")
    assert capture.info["source"] == "splats" and capture.frame.label == "m" and len(capture) >= 4
    assert capture.images.std() > 10 and (capture.cameras.positions[:, 2] > 0.5).all()
    fitted = chorus.read(workspace / "data/gaussians/room")
    assert (fitted.frame.up, fitted.frame.label, len(fitted)) == ("estimated", "m", len(room))
    low, high = np.percentile(fitted.means, [1, 99], axis=0)
    np.testing.assert_allclose(high - low, [4.5, 3.6, 2.5], atol=0.1)
    assert read_json(workspace / "data/gaussians/room/metrics.json")["psnr_raw_train"] > 40
    cli.main(["ingest", f"room{suffix}", "--as", "room"])
    assert "already there" in capsys.readouterr().out
    assert "--depth-scale with depth images" in _fails(
        capsys, "ingest", f"room{suffix}", "--as", "other", "--depth-scale", "5000"
    )
    cli.main(["ingest", f"room{suffix}", "--as", "said", "--up=-y", "--scale", "4"])
    said = Capture.load(workspace / "data/capture/said").frame
    assert (said.up, said.unit_known, said.scale) == ("given", "given", 4)
    assert np.allclose(np.asarray(said.rotation)[2], [0, -1, 0]) and "as given" in capsys.readouterr().out
    assert "a capture" in _fails(capsys, "convert", "data/capture/said", "out", "--up", "y")
    cli.main(["convert", "data/capture/said", "out"])
    assert kind_of(workspace / "out") == "colmap" and "in the frame of its files" in capsys.readouterr().out
    (workspace / "mine").mkdir()
    assert "a new folder" in _fails(capsys, "convert", "data/capture/said", "mine")
    assert "a folder, for a COLMAP project" in _fails(capsys, "convert", "data/capture/said", "out.ply")


def _folder_model(folder: Path) -> None:
    torch.manual_seed(0)
    size = EncoderConfig(channels=(16, 16), depths=(0, 1), heads=(1, 1), window=64, drop_path=0.0)
    heads = {"lang": HeadConfig(channels=384, width=16, teacher="words")}
    config = ModelConfig(encoder=size, inputs=InputConfig(grid_size=0.1), heads=heads, text="embedded")
    save_model(SceneModel(config), folder)


def test_a_query_needs_neither_a_workspace_nor_a_model(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHORUS_ROOT", raising=False)
    monkeypatch.delenv("CHORUS_PARAMS", raising=False)
    cli.main(["query", "sample", "where i sleep", "-o", "maps"])
    told = capsys.readouterr()
    assert "model: the one that ships with chorus" in told.err
    row = told.out.splitlines()[2].split()
    place = np.array([float(x) for x in row[1:4]])
    bed = np.array([-1.0, 0.5, 0.35])  # where it stands in the room that ships
    assert float(row[0]) > 0.3 and np.abs(place - bed).max() < 0.4
    assert Image.open("maps/sample-where-i-sleep.png").size[0] > 1000


def test_the_model_named_comes_before_the_workspaces_and_that_before_the_shipped_one(workspace, capsys):
    def channels(*words: str) -> tuple[str, str]:
        cli.main(["encode", "sample", "-o", "out.safetensors", "--outputs", "upcast", *words])
        told = capsys.readouterr()
        return told.out.split()[-1], told.err

    assert channels()[0] == "368" and channels()[1].startswith("model: the one that ships with chorus ")
    _folder_model(workspace / "data/models/encoder/splats")
    got, said = channels()
    assert got == "32" and f"model: this workspace's, {workspace / 'data/models/encoder'}" in said
    _folder_model(workspace / "mine")
    got, said = channels("--model", "mine")
    assert got == "32" and "model:" not in said


def test_an_adapter_is_folded_into_the_model(workspace, capsys):
    _folder_model(workspace / "mine")
    base, domain = (chorus.load(workspace / "mine").model for _ in range(2))
    add_low_rank(domain, rank=2, alpha=4.0, seed=1)
    with torch.no_grad():
        for module in domain.modules():
            if isinstance(module, LowRank):
                module.up.fill_(0.3)
    save_low_rank(domain, workspace / "lamplight", base=content_of(base))

    def encoded(*words: str) -> torch.Tensor:
        cli.main(["encode", "sample", "-o", "out.safetensors", "--outputs", "upcast", *words])
        capsys.readouterr()
        return read_features(workspace / "out.safetensors").features

    plain, adapted = encoded("--model", "mine"), encoded("--model", "mine", "--adapter", "lamplight")
    fold_low_rank(domain)
    save_model(domain, workspace / "folded")
    assert (plain - adapted).abs().max() > 0.01
    torch.testing.assert_close(adapted, encoded("--model", "folded"), rtol=0, atol=1e-2)  # files are in halves
    words = ("encode", "sample", "-o", "out.safetensors", "--adapter")
    assert "lamplight: expected an adapter of this model" in _fails(capsys, *words, "lamplight")
    assert "expected a PEFT adapter" in _fails(capsys, *words, "nowhere")


def test_a_scene_called_sample_comes_before_the_one_that_ships(workspace, scene, capsys):
    def write(out: Path) -> None:
        write_scene(out / "scene.ply", scene)

    build(workspace / "data/gaussians/sample", stage="scenes/gaussians", recipe=1, params={}, inputs={}, make=write)
    cli.main(["show", "sample", "-o", "sample.png"])
    assert "360 Gaussians" in capsys.readouterr().out
    assert "--up, --scale and --unit" in _fails(capsys, "show", "sample", "--up", "z")


def test_view_refuses_what_it_would_pass_over(workspace, capsys):
    assert "--words: expected --static" in _fails(capsys, "view", "sample", "--words", "words.txt")
    page = ("view", "sample", "--static", "room.html")
    for option, value in (("--beside", "sample"), ("--host", "0.0.0.0"), ("--port", "8085"), ("--exports", "out")):
        assert f"got {option}" in _fails(capsys, *page, option, value)
    assert "a text file of words" in _fails(capsys, *page, "--words", "absent.txt")
    assert not (workspace / "room.html").exists()
    cli.main([*page])
    assert (workspace / "room.html").stat().st_size < 6e6 and "MB" in capsys.readouterr().out
