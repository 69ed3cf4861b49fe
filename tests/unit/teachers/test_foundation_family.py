"""The family as the params name it, from loading to lifted targets, with tiny stand-ins in place of the paper's
models."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from chorus.cameras import Cameras, look_at
from chorus.distill.load import StoredScene, StoredScenes
from chorus.distill.train import train_encoder
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import preset
from chorus.errors import InputError, MissingError, ParamsError
from chorus.io import write_ply
from chorus.params import TargetParams, load_params
from chorus.scene import scene_from_colors
from chorus.splat.weights import scene_weights
from chorus.teachers.base import ROLES, LanguageTeacher, Teacher
from chorus.teachers.foundation import PRESETS, SOURCES, load_foundation
from chorus.teachers.foundation.cache import CachedTeacher
from chorus.teachers.foundation.dino import DinoTeacher
from chorus.teachers.foundation.identity import load_words, words_source
from chorus.teachers.foundation.pe import PerceptionTeacher
from chorus.teachers.foundation.pooled import MaskPooledTeacher
from chorus.teachers.foundation.radio import ADAPTORS
from chorus.teachers.foundation.segment import SamMasks
from chorus.teachers.foundation.siglip import OpenClipTeacher
from chorus.teachers.foundation.standins import write_dinov3, write_open_clip, write_standins
from chorus.teachers.foundation.weights import fingerprint
from chorus.teachers.foundation.windows import WindowedTeacher
from chorus.teachers.lift import load_targets, make_targets
from chorus.teachers.mask_lift import scene_mask_weights
from chorus.teachers.views import make_teacher_views
from chorus_kernels import lift

ROOT = Path(__file__).parents[3]
WIDTH, HEIGHT = 96, 64
MASKS = {"points_per_side": 4, "pred_iou": 0.7, "stability": 0.5, "box_nms": 0.97, "mask_nms": 1.0, "min_area": 0}


@pytest.fixture(scope="module")
def standins(tmp_path_factory):
    return write_standins(tmp_path_factory.mktemp("standins"))


@pytest.fixture
def paper(standins, tmp_path):
    """params.paper.yaml with the stand-ins substituted by path, read as a user's overlay would be."""
    overlay = yaml.safe_load((ROOT / "params.paper.yaml").read_text())
    overlay["teachers"]["foundation"] |= {**standins, "cache": str(tmp_path / "cache"), "mask": MASKS}
    (tmp_path / "overlay.yaml").write_text(yaml.safe_dump(overlay))
    return load_params(ROOT / "params.yaml", tmp_path / "overlay.yaml").teachers


def changed(params, **foundation):
    return dataclasses.replace(params, foundation=dataclasses.replace(params.foundation, **foundation))


@pytest.fixture(scope="module")
def scene():
    generator = torch.Generator().manual_seed(0)
    n = 200
    means, quats = torch.rand(n, 3, generator=generator) * 2 - 1, torch.randn(n, 4, generator=generator)
    scales, opacities = (
        torch.rand(n, 3, generator=generator) * 0.2 + 0.05,
        torch.rand(n, generator=generator) * 0.9 + 0.05,
    )
    return scene_from_colors(means, quats, scales, opacities, torch.rand(n, 3, generator=generator))


@pytest.fixture(scope="module")
def cameras():
    poses = np.stack([look_at((3 * np.cos(a), 3 * np.sin(a), 1.0), (0, 0, 0)) for a in (0.1, 1.3, 2.9)])
    K = np.tile(np.array([[70.0, 0, WIDTH / 2], [0, 70.0, HEIGHT / 2], [0, 0, 1]]), (3, 1, 1))
    return Cameras(K=K, cam_from_world=poses, width=WIDTH, height=HEIGHT)


def test_the_paper_params_name_the_papers_teachers():
    params = load_params(ROOT / "params.yaml", ROOT / "params.paper.yaml").teachers
    named = {role: getattr(params.foundation, role) for role in (*ROLES, "masks")}
    assert params.family == "foundation" and named == PRESETS["paper"] and params.foundation.lang_mode == "masks"
    assert [SOURCES[named[role]].dim for role in ROLES] == [1152, 1024, 1024]
    assert all(source.license and (source.repo or source.url) for source in SOURCES.values())


def test_three_teachers_behind_the_protocol(paper):
    teachers = load_foundation(changed(paper, lang_mode="patches"))
    assert tuple(teachers) == ROLES
    images = torch.rand(2, HEIGHT, WIDTH, 3)
    for role, teacher in teachers.items():
        assert {"name", "role", "dim", "patch_grid"} <= {
            *vars(teacher),
            *dir(type(teacher)),
        }  # where isinstance looks from Python 3.12 on
        assert isinstance(teacher, Teacher) and isinstance(teacher, CachedTeacher) and teacher.role == role
        assert teacher.features(images).shape == (2, *teacher.patch_grid(HEIGHT, WIDTH), teacher.dim)
    assert isinstance(teachers["lang"], LanguageTeacher) and teachers["lang"].text(["this is a chair"]).shape == (1, 48)


def train(scene, targets, out):
    """Two steps of distillation on one scene."""
    params = load_params(ROOT / "params.yaml")
    write_ply(targets.folder / "scene.ply", scene)
    rooms = StoredScenes([StoredScene("room", targets.folder / "scene.ply", targets.folder)])
    short = dataclasses.replace(params.distill, steps=2, points=64, head_width=32)
    spaces = rooms.reader.spaces
    inputs = InputConfig(grid_size=0.1)
    return train_encoder(
        rooms, encoder_config=preset("tiny"), inputs=inputs, params=short, out=out, spaces=spaces
    ).model


@pytest.mark.parametrize("mode", ["patches", "masks"])
def test_from_renders_to_a_trained_encoder(paper, scene, cameras, tmp_path, monkeypatch, mode):
    chosen = changed(paper, lang_mode=mode)
    teachers = load_foundation(chosen, tmp_path)
    kept = {"storage": chosen.storage, "error": chosen.storage_error}
    make_teacher_views(scene, cameras, teachers, out=tmp_path / "views", **kept)
    params = load_params(ROOT / "params.yaml", ROOT / "params.paper.yaml").targets
    facts = make_targets(scene, tmp_path / "views", params, out=tmp_path / "targets")
    shares = {role: figures["valid"] / len(scene) for role, figures in facts["roles"].items()}
    assert set(shares) == set(ROLES) and min(shares.values()) > 0.3
    assert not (tmp_path / "targets/weights.safetensors").exists()  # made again at each use
    targets = load_targets(tmp_path / "targets", tmp_path / "views", scene=scene)
    assert {role: targets.features(role).shape for role in ROLES} == {
        role: (len(scene), teachers[role].dim) for role in ROLES
    }
    assert targets.views.by_mask("lang") == (mode == "masks") and not targets.views.by_mask("dino")
    model = train(scene, targets, tmp_path / "encoder")
    assert (tmp_path / "encoder/model.safetensors").exists() and set(model.heads) == set(ROLES)
    assert (
        model.spaces["lang"](torch.zeros(2, teachers["lang"].dim)).shape[1]
        == teachers["lang"].text(["this is a chair"]).shape[1]
    )
    for network in (DinoTeacher, PerceptionTeacher, OpenClipTeacher):
        monkeypatch.setattr(network, "features", None)  # a second run must not ask a network
    monkeypatch.setattr(SamMasks, "__call__", None)
    make_teacher_views(scene, cameras, load_foundation(chosen, tmp_path), out=tmp_path / "again", **kept)
    for role in ROLES:
        assert (tmp_path / f"views/{role}.safetensors").read_bytes() == (
            tmp_path / f"again/{role}.safetensors"
        ).read_bytes()


def test_masks_in_the_views_are_lifted_as_their_full_resolution_map_would_be(paper, scene, cameras, tmp_path):
    lang = load_foundation(paper, tmp_path)["lang"]
    made = make_teacher_views(scene, cameras, {"lang": lang}, out=tmp_path / "views", batch=2)
    make_targets(
        scene,
        tmp_path / "views",
        TargetParams(min_weight=1e-3, rows_error=0.01, weights_budget=0.0),
        out=tmp_path / "targets",
    )
    targets = load_targets(tmp_path / "targets", tmp_path / "views", scene=scene)
    masks = targets.views.masks("lang")
    assert made["grids"] == {"lang": [1, len(masks.vectors)]} and targets.views.starts("lang").tolist() == [
        0,
        *np.cumsum(masks.counts),
    ]
    pixels = scene_weights(scene, cameras, rows=HEIGHT, columns=WIDTH, footprint="box")
    total = lift(pixels, (masks.labels > 0).reshape(-1, 1).float())
    valid = total[:, 0] > 1e-3
    expected = torch.where(valid[:, None], lift(pixels, masks.dense().flatten(0, 2)) / total.clamp_min(1e-9), 0)
    assert torch.equal(targets.valid("lang"), valid) and valid.sum() > 20
    torch.testing.assert_close(targets.lifted("lang"), expected, rtol=1e-5, atol=1e-5)


def test_a_killed_run_goes_on_in_the_middle_of_a_scene(paper, scene, cameras, tmp_path):
    chosen = changed(paper, lang_mode="patches")

    def stop(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_teacher_views(
            scene, cameras, load_foundation(chosen, tmp_path), out=tmp_path / "cut", batch=1, report=stop
        )
    teachers = load_foundation(chosen, tmp_path)
    make_teacher_views(scene, cameras, teachers, out=tmp_path / "views", batch=1)
    assert {(teacher.hits, teacher.misses) for teacher in teachers.values()} == {(2, 1)}


def test_mask_pooled_language_targets(paper, scene, cameras, tmp_path, monkeypatch):
    teacher = load_foundation(paper, tmp_path)["lang"]
    assert (
        isinstance(teacher, MaskPooledTeacher) and isinstance(teacher, LanguageTeacher) and teacher.name == "lang-masks"
    )
    images = torch.rand(3, 2, 3, 3, generator=torch.Generator().manual_seed(0)).permute(0, 3, 1, 2)
    images = torch.nn.functional.interpolate(images, (HEIGHT, WIDTH)).permute(0, 2, 3, 1)
    targets = teacher.pooled(images)
    assert targets.labels.shape == (3, HEIGHT, WIDTH) and len(targets.vectors) == sum(targets.counts) > 0
    torch.testing.assert_close(
        targets.vectors.float().norm(dim=1), torch.ones(len(targets.vectors)), rtol=1e-3, atol=1e-3
    )
    weights = scene_mask_weights(scene, cameras, targets)
    assert weights.shape == (len(scene), len(targets.vectors)) and weights.total.max() > 0
    again = load_foundation(paper, tmp_path)["lang"]
    monkeypatch.setattr(SamMasks, "__call__", None)  # a second run must not ask SAM
    assert torch.equal(again.pooled(images).labels, targets.labels)
    cells = teacher.features(images)
    assert cells.shape == (3, *teacher.patch_grid(HEIGHT, WIDTH), teacher.dim)
    block = targets.dense([0])[0, :8, :8].reshape(64, -1)
    covered = block.abs().sum(dim=1) > 0
    torch.testing.assert_close(
        cells[0, 0, 0], block[covered].mean(dim=0) if covered.any() else block[0], rtol=1e-4, atol=1e-5
    )


def test_one_sam_can_be_the_object_teacher_and_windows_wrap_it(paper):
    teachers = load_foundation(changed(paper, object=paper.foundation.masks, window=64, cache="", lang_mode="patches"))
    assert teachers["object"].name == "masks" and all(
        isinstance(teacher, WindowedTeacher) for teacher in teachers.values()
    )
    assert teachers["dino"].features(torch.rand(1, 64, 128, 3)).shape == (1, 4, 8, 32)


def test_wrong_and_absent_names_are_one_line(paper, tmp_path):
    with pytest.raises(MissingError, match=r"dinov3.*chorus teachers pull dinov3.*embedded"):
        load_foundation(changed(paper, dino="dinov3"), tmp_path)
    with pytest.raises(ParamsError, match="lang_mode"):
        load_foundation(changed(paper, lang_mode="words"))
    with pytest.raises(ParamsError, match="role 'object'"):
        load_foundation(changed(paper, object=paper.foundation.dino))


RADIO_CODE = """
from collections import namedtuple
import torch
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
Output = namedtuple("Output", "summary features")
class RADIOConfig(PretrainedConfig):
    model_type = "tiny_radio"
    def __init__(self, adaptor_names=None, adaptor_configs=None, **more):
        self.adaptor_names, self.adaptor_configs = adaptor_names, adaptor_configs
        super().__init__(**more)
class Adaptor(nn.Module):
    def __init__(self, dims):
        super().__init__()
        self.head_mlp, self.feat_mlp = nn.Linear(8, dims[0]), nn.Linear(8, dims[1])
class RADIOModel(PreTrainedModel):
    config_class = RADIOConfig
    patch_size = 16
    def __init__(self, config):
        super().__init__(config)
        self.trunk, self.calls = nn.Conv2d(3, 8, 16, 16), 0
        self.adaptors = nn.ModuleDict({n: Adaptor(config.adaptor_configs[n]) for n in config.adaptor_names or []})
        self.post_init()
    def get_nearest_supported_resolution(self, height, width):
        return max(1, round(height / 16)) * 16, max(1, round(width / 16)) * 16
    def forward(self, x):
        self.calls += 1
        tokens = self.trunk(x).flatten(2).transpose(1, 2)
        out = {"backbone": Output(tokens.mean(1), tokens)}
        for name, adaptor in self.adaptors.items():
            out[name] = Output(adaptor.head_mlp(tokens.mean(1)), adaptor.feat_mlp(tokens))
        return out
"""


@pytest.fixture
def radio(tmp_path, monkeypatch):
    """A repository of C-RADIO's layout: its code beside its weights."""
    from safetensors.torch import save_file
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    folder = tmp_path / "radio"
    folder.mkdir()
    (folder / "hf_model.py").write_text(RADIO_CODE)
    dims = {"siglip2-g": [48, 20], "dino_v3": [7, 24], "sam3": [5, 16]}
    code = {"AutoConfig": "hf_model.RADIOConfig", "AutoModel": "hf_model.RADIOModel"}
    (folder / "config.json").write_text(
        json.dumps({"model_type": "tiny_radio", "auto_map": code, "adaptor_configs": dims, "adaptor_names": None})
    )
    tensors = {"trunk.weight": torch.randn(8, 3, 16, 16), "trunk.bias": torch.randn(8)}
    for name, (summary, feature) in dims.items():
        for head, size in (("head_mlp", summary), ("feat_mlp", feature)):
            tensors |= {
                f"adaptors.{name}.{head}.weight": torch.randn(size, 8),
                f"adaptors.{name}.{head}.bias": torch.randn(size),
            }
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_radio_fills_three_roles_in_one_forward_and_only_when_its_code_is_trusted(paper, radio):
    one = {role: str(radio) for role in ROLES}
    params = changed(paper, **one, text=paper.foundation.lang, lang_mode="patches", cache="")
    with pytest.raises(InputError, match=r"code in its repository.*Read the \*\.py files.*trust_remote_code: true"):
        load_foundation(params)
    teachers = load_foundation(changed(params, trust_remote_code=True))
    images = torch.rand(2, 32, 64, 3)
    model = teachers["lang"].net.model
    before = model.calls
    features = {role: teacher.features(images) for role, teacher in teachers.items()}
    assert model.calls == before + 1
    assert {role: tuple(f.shape) for role, f in features.items()} == {
        "lang": (2, 2, 4, 48),
        "dino": (2, 2, 4, 24),
        "object": (2, 2, 4, 16),
    }
    tokens = model.trunk(images.permute(0, 3, 1, 2)).flatten(2).transpose(1, 2)
    for role, head in (("lang", "head_mlp"), ("dino", "feat_mlp"), ("object", "feat_mlp")):
        expected = getattr(model.adaptors[ADAPTORS[role]], head)(tokens)
        torch.testing.assert_close(features[role].flatten(1, 2), expected, rtol=1e-4, atol=1e-4)
    words = teachers["lang"].text(["this is a chair"])
    assert words.shape == (1, 48)
    source = words_source(params, Path())  # the text tower's, since C-RADIO has none
    assert source == f"foundation:lang@{fingerprint(Path(paper.foundation.lang))}"
    torch.testing.assert_close(load_words(source, params, Path())(["this is a chair"]), words)
    with pytest.raises(ParamsError, match="lang_mode"):
        load_foundation(changed(params, trust_remote_code=True, lang_mode="masks"))
    (radio / "model.safetensors").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"complete C-RADIO repository.*chorus teachers pull radio"):
        load_foundation(changed(params, trust_remote_code=True))


def test_radio_refuses_a_text_tower_of_another_size(paper, radio, tmp_path):
    write_open_clip(tmp_path / "small", dim=32)
    write_dinov3(tmp_path / "dino")
    params = changed(
        paper, lang=str(radio), text=str(tmp_path / "small"), lang_mode="patches", trust_remote_code=True, cache=""
    )
    with pytest.raises(InputError, match="text tower of size 48"):
        load_foundation(params)
