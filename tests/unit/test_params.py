from pathlib import Path

import pytest

from chorus.errors import ParamsError
from chorus.params import load_params

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
    ],
)
def test_wrong_keys_and_types_are_one_clear_line(tmp_path, text, says):
    with pytest.raises(ParamsError, match=says):
        load_params(ROOT / "params.yaml", overlay(tmp_path, text))


def test_an_absent_file_and_an_absent_key(tmp_path):
    with pytest.raises(ParamsError, match="CHORUS_ROOT"):
        load_params(tmp_path / "params.yaml")
    with pytest.raises(ParamsError, match="a value for capture"):
        load_params(overlay(tmp_path, "seed: 0"))


def test_whole_numbers_serve_as_floats(tmp_path):
    assert load_params(ROOT / "params.yaml", overlay(tmp_path, "distill: {lr: 1}")).distill.lr == 1.0
