"""The weights that ship with the package."""

from pathlib import Path

import torch

from chorus.params import load_params
from chorus.teachers.embedded.weights import SHIPPED, provenance
from chorus.teachers.load import load_teachers

PARAMS = load_params(Path(__file__).parents[3] / "params.yaml").teachers


def test_they_are_small_and_say_where_they_come_from():
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 12e6
    notes = provenance(SHIPPED)["training"]
    assert set(notes["withheld"]) == set(PARAMS.withheld) and not set(notes["names"]) & set(PARAMS.withheld)
    assert notes["steps"] == PARAMS.train_steps and notes["rooms"] >= 16 and len(notes["homes"]) == 6


def test_they_tell_a_picture_from_another():
    teachers = load_teachers(PARAMS)
    gray = torch.full((1, 96, 128, 3), 0.6)
    striped = gray.clone()
    striped[:, :, ::16] = 0.1
    for teacher in teachers.values():
        a, b = teacher.features(gray), teacher.features(striped)
        assert torch.isfinite(a).all() and (a - b).abs().mean() > 1e-3
