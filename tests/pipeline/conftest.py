"""A tiny workspace, and fake plans for tests of the machinery itself."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TINY_SCENES = """\
scenes:
  - {id: room-a, home: tiny, room: 0}
  - {id: room-b, home: tiny, room: 1}
  - {id: room-c, home: other, room: 0, split: held_out}
"""


@pytest.fixture
def workspace(tmp_path, monkeypatch):
    """An empty project folder with params.yaml and three listed scenes; the state lies in it too."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "scenes.yaml").write_text(TINY_SCENES)
    monkeypatch.setenv("CHORUS_ROOT", str(tmp_path))
    for name in ("DAGSTER_HOME", "MLFLOW_TRACKING_URI", "CHORUS_PARAMS"):
        monkeypatch.setenv(name, "")  # restored afterwards, whatever the code sets
    return tmp_path
