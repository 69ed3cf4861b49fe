"""How good the teachers are in the images they looked at, in test rooms."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from chorus.capture import Capture
from chorus.params import TeacherParams
from chorus.store import Store
from chorus.teachers.load import load_teachers
from chorus.teachers.report import report_teachers
from chorus.teachers.views import load_teacher_views

EVERY = 4  # views; neighbouring ones say the same


def teacher_scores(
    store: Store, scenes: Sequence[str], params: TeacherParams, *, device: torch.device | str = "cpu"
) -> tuple[dict, bytes]:
    """The teachers' figures (shares as percent) on every 4th rendered view of these rooms, and their contact sheet as
    PNG bytes."""
    captures, renders = [], []
    for scene in scenes:
        capture = Capture.load(store.scene(scene, "capture"))
        picked = slice(0, len(capture), EVERY)
        layers = {
            name: getattr(capture, name)[picked]
            for name in ("images", "depth", "semantic", "instance")
            if getattr(capture, name) is not None
        }
        captures.append(dataclasses.replace(capture, cameras=capture.cameras.select(picked), **layers))
        renders.append(load_teacher_views(store.scene(scene, "teacher_views")).renders()[picked])
    with tempfile.TemporaryDirectory() as folder:
        sheet = Path(folder) / "teachers.png"
        teachers = load_teachers(params, store, device=device)
        scores = report_teachers(teachers, captures, withheld=params.withheld, renders=renders, picture=sheet)
        return percent(scores), sheet.read_bytes()


def percent(scores: object) -> Any:
    """Every share of a nested dictionary in percent; counts and the absent stay as they are."""
    if isinstance(scores, dict):
        return {key: percent(value) for key, value in scores.items()}
    return 100.0 * scores if isinstance(scores, float) else scores
