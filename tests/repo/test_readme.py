"""What the README tells people to type works."""

import re
from pathlib import Path

import pytest
import torch

from chorus.evaluate import markdown

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"make ([a-z-]+)", README)) <= targets and {"demo", "test"} <= targets


def test_chorus_verbs_exist():
    from chorus.cli import VERBS

    used = set(re.findall(r"^chorus ([a-z-]+)", "\n".join(blocks("sh")), re.MULTILINE))
    assert used and used <= set(VERBS)


def test_pictures_exist():
    assert all((ROOT / path).is_file() for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README))


@pytest.mark.parametrize("file", ["README.md", "docs/demo.md"])
def test_the_results_are_those_of_the_report_beside_them(file):
    _, found, _ = markdown.split(ROOT / file)
    kept = markdown.read_metrics(markdown.folder_of(ROOT / file))
    assert found == markdown.block(kept), f"Run chorus report --markdown {file}."


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """A tiny model and scene where the README's lines look for them."""
    from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel, save_model
    from chorus.encoder.inputs import InputConfig
    from chorus.encoder.model import EncoderConfig
    from chorus.io import write_scene
    from chorus.scene import scene_from_colors

    torch.manual_seed(0)
    size = EncoderConfig(channels=(16, 16), depths=(0, 1), heads=(1, 1), window=64, drop_path=0.0)
    heads = {"lang": HeadConfig(channels=384, width=16, teacher="words")}
    save_model(
        SceneModel(ModelConfig(encoder=size, inputs=InputConfig(grid_size=0.1), heads=heads, text="embedded")),
        tmp_path / "data/models/encoder/splats",
    )
    (tmp_path / "data/gaussians/kitchen").mkdir(parents=True)
    n = 200
    scene = scene_from_colors(
        torch.rand(n, 3) * 3, torch.randn(n, 4), torch.rand(n, 3) * 0.05 + 0.01, torch.rand(n), torch.rand(n, 3)
    )
    write_scene(tmp_path / "data/gaussians/kitchen/scene.ply", scene)
    monkeypatch.chdir(tmp_path)


def test_the_four_lines_run(workspace):
    (code,) = blocks("python")
    names: dict = {}
    exec(code, names)  # noqa: S102 - our own README
    assert names["scores"].shape == (200, 1) and bool(torch.isfinite(names["scores"]).all())
