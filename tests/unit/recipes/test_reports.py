"""What a report is made from."""

import shutil
from pathlib import Path

import pytest

from chorus.evaluate.rooms import Rooms
from chorus.recipes import reports
from chorus.stages import ADAPTED
from chorus.workspace import Workspace

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("second", [{}, {"adapted_on": ("c",)}, {"adaptation": ("d",)}])
def test_only_rooms_of_a_second_domain_ask_for_an_adapted_encoder(tmp_path, monkeypatch, second):
    monkeypatch.delenv("CHORUS_PARAMS", raising=False)
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.setattr(reports, "rooms_of", lambda *_: Rooms(test=("a",), probe_train=("b",), **second))
    monkeypatch.setattr(reports, "hashes", lambda *_: {})
    monkeypatch.setattr(reports, "hash_of", lambda store, stage, scene=None: f"hash of {stage}")
    inputs = reports.evaluation(Workspace.open(tmp_path)).inputs
    assert inputs.get("adapted") == (f"hash of {ADAPTED}" if second else None) and "encoder" in inputs
