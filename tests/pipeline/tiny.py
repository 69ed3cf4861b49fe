"""A project folder with a tiny home: rooms of every split, and parameters that take seconds."""

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCENES = """\
furniture: {train: [Scopia]}
scenes:
  - {id: train-a, home: Tiny, room: 0, furniture: train, light: day, seed: 1}
  - {id: train-b, home: Tiny, room: 0, light: bright, seed: 2}
  - {id: test-a, home: Tiny, room: 0, furniture: train, light: bright, split: held_out, seed: 3}
  - {id: check-a, home: Tiny, room: 0, furniture: train, light: day, split: validation, seed: 6}
  - {id: new-train, home: Tiny, room: 0, light: dusk, domain: second, seed: 4}
  - {id: new-test, home: Tiny, room: 0, light: evening, domain: second, split: held_out, seed: 5}
  - {id: new-check, home: Tiny, room: 0, light: evening, domain: second, split: validation, seed: 8}
"""
SCENE_IDS = {"train-a", "train-b", "test-a", "check-a", "new-train", "new-test", "new-check"}
OVERLAY = """\
capture: {views: 10, width: 64, height: 48}
fit: {max_gaussians: 1500, iterations: 40}
teachers: {train_steps: 4}
distill: {steps: 12, points: 256, log_every: 2, checkpoint_every: 5}
adapt: {steps: 6, log_every: 1}
evaluate: {neighbors: 5, probe_steps: 10, probe_rows: 200, chance_seeds: 2, bootstrap: 10, truth_grid: 0.1}
"""


def lay_out(root: Path, *, without: tuple[str, ...] = ()) -> None:
    """params.yaml, its overlay tiny.yaml, the scene list (some rooms left out) and the home, nothing made yet."""
    from tests.unit.sources.tiny_home import build_packages

    shutil.copyfile(ROOT / "params.yaml", root / "params.yaml")
    (root / "tiny.yaml").write_text(OVERLAY)
    (root / "data").mkdir()
    listed = [line for line in SCENES.splitlines(True) if not any(f"id: {room}," in line for room in without)]
    (root / "data" / "scenes.yaml").write_text("".join(listed))
    build_packages(root / "data" / "homes")
