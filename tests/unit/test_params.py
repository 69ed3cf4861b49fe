import typing
from pathlib import Path

import pytest

from chorus.errors import ParamsError
from chorus.params import EncoderParams, load_params

ROOT = Path(__file__).parents[2]


def overlay(tmp_path, text):
    path = tmp_path / "overlay.yaml"
    path.write_text(text)
    return path


def test_the_shipped_defaults_load():
    params = load_params(ROOT / "params.yaml")
    assert params.capture.views >= 24 and len(params.teachers.withheld) == 4


def test_an_overlay_changes_only_what_it_names(tmp_path, monkeypatch):
    base = load_params(ROOT / "params.yaml")
    path = overlay(tmp_path, "fit: {iterations: 7}")
    params = load_params(ROOT / "params.yaml", path)
    assert (
        params.fit.iterations == 7
        and params.fit.max_gaussians == base.fit.max_gaussians
        and params.encoder == base.encoder
    )
    monkeypatch.setenv("CHORUS_PARAMS", str(path))
    assert load_params(ROOT / "params.yaml") == params


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("fitt: {}", "Did you mean 'fit'"),
        ("fit: {iteration: 7}", "Did you mean 'iterations'"),
        ("fit: {iterations: many}", "fit: iterations: expected int"),
        ("fit: {iterations: true}", "expected int"),
        ("fit: 3", "expected a mapping"),
        ("- 1", "expected a mapping"),
        ("fit: {", "expected YAML"),
        ("teachers: {family: foundatoin}", "teachers: family: expected one of embedded, .*'foundatoin'.*'foundation'"),
        ("teachers: {storage: int4}", "storage: expected one of half, int8"),
        ("teachers: {foundation: {lang_mode: mask}}", "Did you mean 'masks'"),
        ("encoder: {preset: huge}", "tiny, small, base"),
        ("encoder: {voxel: [mean]}", "voxel: expected one of mean, first"),
        ("adapt: {tune: 3}", "tune: expected one of heads, last, all, lora"),
        ("distill: {steps: -1}", "distill: steps: expected a number of 1 or more, got -1"),
        ("distill: {steps: 1.5}", "steps: expected int"),
        ("distill: {warmup: 1.1}", "a share from 0 to 1"),
        ("distill: {lr: .nan}", "a number above 0, got nan"),
        ("distill: {clip: .inf}", "a number above 0, got inf"),
        ("encoder: {grid_size: 0}", "a number above 0"),
        ("targets: {min_weight: -0.1}", "a number of 0 or more"),
        ("teachers: {foundation: {overlap: 1}}", "a share from 0 to below 1"),
        ("capture: {max_views: 0}", "a number of 1 or more"),
        ("seed: -1", "a number of 0 or more"),
    ],
)
def test_wrong_keys_and_types_are_one_clear_line(tmp_path, text, says):
    with pytest.raises(ParamsError, match=says):
        load_params(ROOT / "params.yaml", overlay(tmp_path, text))


def test_a_workspace_without_params_has_the_defaults(tmp_path):
    assert load_params(tmp_path / "params.yaml") == load_params(ROOT / "params.yaml")


def test_an_absent_overlay_and_an_absent_key(tmp_path):
    with pytest.raises(ParamsError, match="CHORUS_PARAMS"):
        load_params(ROOT / "params.yaml", tmp_path / "overlay.yaml")
    with pytest.raises(ParamsError, match="a value for device, capture"):
        load_params(overlay(tmp_path, "seed: 0"))


def test_whole_numbers_serve_as_floats(tmp_path):
    assert load_params(ROOT / "params.yaml", overlay(tmp_path, "distill: {lr: 1}")).distill.lr == 1.0


def test_the_paper_s_recipe_loads():
    assert load_params(ROOT / "params.yaml", ROOT / "params.paper.yaml").teachers.family == "foundation"


def test_choices_are_those_the_code_knows():
    from chorus.encoder.model import PRESETS

    hints = typing.get_type_hints(EncoderParams)
    assert set(typing.get_args(hints["preset"])) == set(PRESETS)
