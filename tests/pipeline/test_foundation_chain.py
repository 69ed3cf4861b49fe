"""params.paper.yaml from captures to a registered model, with tiny stand-ins of the paper's teachers substituted by
path."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

import chorus
from chorus.errors import MissingError
from chorus.params import load_params
from chorus.recipes import scenes
from chorus.store import Store, manifest_of
from chorus.teachers.lift import load_targets
from chorus.teachers.views import load_teacher_views
from chorus.workspace import Workspace
from orchestration.materialize import main

ROOT = Path(__file__).parents[2]
SCENES = """\
scenes:
  - {id: train, home: Tiny, room: 0, light: day, seed: 1}
  - {id: test, home: Tiny, room: 0, light: bright, split: held_out, seed: 3}
  - {id: new-train, home: Tiny, room: 0, light: dusk, domain: second, seed: 4}
  - {id: new-test, home: Tiny, room: 0, light: evening, domain: second, split: held_out, seed: 5}
"""
SMALL = """\
capture: {views: 10, width: 64, height: 48}
fit: {max_gaussians: 1500, iterations: 40}
teachers: {foundation: {mask: {points_per_side: 4, stability: 0.5, box_nms: 0.97, min_area: 0}}}
encoder: {preset: tiny, grid_size: 0.08}
distill: {steps: 6, points: 256, head_width: 32, log_every: 2, checkpoint_every: 5}
adapt: {steps: 16, lr: 0.003, log_every: 4}
evaluate: {neighbors: 5, probe_steps: 10, probe_rows: 200, chance_seeds: 2, bootstrap: 10, truth_grid: 0.1}
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    from chorus.teachers.foundation.standins import write_standins
    from tests.unit.sources.tiny_home import build_packages

    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "scenes.yaml").write_text(SCENES)
    build_packages(tmp_path / "data" / "homes")
    names = write_standins(tmp_path / "weights")
    settings = merged(
        yaml.safe_load((ROOT / "params.paper.yaml").read_text()),
        yaml.safe_load(SMALL),
        {"teachers": {"foundation": names}},
    )
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(settings))
    for name, value in {
        "CHORUS_ROOT": tmp_path,
        "CHORUS_PARAMS": tmp_path / "overlay.yaml",
        "DAGSTER_HOME": "",
        "MLFLOW_TRACKING_URI": "",
    }.items():
        monkeypatch.setenv(name, str(value))
    return Store(tmp_path)


def merged(*parts: dict) -> dict:
    """Later ones laid over earlier ones, key by key."""
    found: dict = {}
    for part in parts:
        for key, value in part.items():
            found[key] = merged(found.get(key, {}), value) if isinstance(value, dict) else value
    return found


def change(workspace: Store, **foundation) -> None:
    path = workspace.root / "overlay.yaml"
    path.write_text(yaml.safe_dump(merged(yaml.safe_load(path.read_text()), {"teachers": {"foundation": foundation}})))


def test_the_papers_recipe(workspace, capsys, monkeypatch):
    """By mask, the paper's way, on to a registered model."""
    assert main(["--all", "--jobs", "1"]) == 0, capsys.readouterr().err
    views = load_teacher_views(workspace.scene("train", "teacher_views"))
    assert views.by_mask("lang") and not views.by_mask("dino")
    the_targets_are_there(workspace)
    the_report_and_the_version_are_there(workspace)
    words_come_from_the_same_checkpoint(workspace, monkeypatch)
    weights_matter_and_their_place_does_not(workspace)


@pytest.mark.slow
def test_by_patch(workspace, capsys, monkeypatch):
    assert main(["--all", "--jobs", "1"]) == 0, capsys.readouterr().err
    before = manifest_of(workspace.model("encoder"))["hash"]
    change(workspace, lang_mode="patches")
    for asset in ("scenes/teacher_views", "scenes/targets", "models/encoder"):
        assert main([asset, "--jobs", "1"]) == 0, capsys.readouterr().err
    assert not load_teacher_views(workspace.scene("train", "teacher_views")).by_mask("lang")
    the_targets_are_there(workspace)
    assert manifest_of(workspace.model("encoder"))["hash"] != before
    words_come_from_the_same_checkpoint(workspace, monkeypatch)


def the_targets_are_there(workspace):
    targets = load_targets(
        workspace.scene("train", "targets"),
        workspace.scene("train", "teacher_views"),
        scene=chorus.read(gaussians(workspace)),
    )
    assert targets.roles == ("lang", "dino", "object") and not (targets.folder / "weights.safetensors").exists()
    assert all(targets.features(role)[targets.valid(role)].abs().sum() > 0 for role in targets.roles)


def the_report_and_the_version_are_there(workspace):
    report = json.loads((workspace.report("held_out") / "metrics.json").read_text())
    assert all("f_miou" in report["zero_shot"][method] for method in ("student", "points", "lifted", "chance"))
    assert report["storage"]["targets_bytes"] > 0 and report["adaptation"]["after"]["f_miou"] is not None
    assert (workspace.state / "registry" / "chorus_encoder" / "version.json").exists()


def gaussians(workspace):
    return workspace.scene("train", "gaussians") / "scene.ply"


def words_come_from_the_same_checkpoint(workspace, monkeypatch):
    from chorus.teachers.foundation import load_foundation

    encoder, params = chorus.load(workspace.model("encoder")), load_params(workspace.root / "params.yaml").teachers
    assert encoder.config.text.startswith("foundation:lang@") and str(workspace.root) not in encoder.config.text
    scores = encoder.encode(chorus.read(gaussians(workspace))).query(["a chair", "a lamp"])
    assert scores.shape[1] == 2 and scores.std() > 0
    prompts = ["this is a chair", "this is a lamp"]
    assert (encoder.text(prompts) == load_foundation(params, workspace.root)["lang"].text(prompts)).all()
    monkeypatch.setenv("CHORUS_PARAMS", "")  # params.yaml alone names weights that are not here
    with pytest.raises(
        MissingError, match=r"text tower 'lang'.*the weights the model was distilled with.*chorus teachers pull lang"
    ):
        chorus.load(workspace.model("encoder")).text(prompts)
    monkeypatch.setenv("CHORUS_PARAMS", str(workspace.root / "overlay.yaml"))


def weights_matter_and_their_place_does_not(workspace):
    from chorus.teachers.foundation.standins import write_dinov3

    def current() -> bool:
        return scenes.teacher_views(Workspace.open(workspace.root), "train").is_current

    before = manifest_of(workspace.scene("train", "teacher_views"))["inputs"]
    assert {"teachers/lang", "teachers/dino", "teachers/object", "teachers/masks"} <= set(before) and current()
    moved = workspace.root / "elsewhere"
    shutil.copytree(workspace.root / "weights", moved)
    change(
        workspace,
        **{name: str(moved / name) for name in ("lang", "dino", "object", "masks")},
        cache="data/another",
        batch=3,
    )
    assert current()
    write_dinov3(moved / "dino")  # other weights under the same name
    assert not current()
    change(workspace, dino=str(workspace.root / "weights" / "dino"), mask={"pred_iou": 0.8})
    assert not current()  # a setting that matters
    change(workspace, mask={"pred_iou": 0.7})
    assert current()
