"""What a new domain costs before a training can read it: lifted, or as render-and-distill adaptation has it."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.claims.runs import RUNS
from chorus.io import read_scene
from chorus.machine import cores, instruction_set
from chorus.recipes.models import ready
from chorus.splat.weights import stored_bytes
from chorus.teachers.lift import load_targets, make_targets, matrix_key
from chorus.workspace import Workspace

FILE = RUNS / "storage.json"
ROOMS = 16


def measure(workspace: Workspace, *, rooms: int = ROOMS) -> dict[str, Any]:
    """Bytes and CPU seconds of the second domain's first training rooms: rows lifted compactly as ``chorus teach``
    stores them, N x C halves as the paper's lifting stores them, and the rendering weights an adaptation holds in
    memory, of which nothing is stored. Teacher views are read by all three and counted in none."""
    names = ready(workspace, workspace.rooms(split="train", domain="second"))[:rooms]
    found = {"lifted": {"bytes": 0, "seconds": 0.0}, "naive": {"bytes": 0}, "adaptation": {"bytes": 0, "seconds": 0.0}}
    for name in names:
        lifted, seconds = _timed(lambda name=name: _lift(workspace, name))
        found["lifted"]["bytes"] += lifted["targets_bytes"]
        found["lifted"]["seconds"] += seconds
        found["naive"]["bytes"] += lifted["naive_bytes"]
        held, seconds = _timed(lambda name=name: _weights(workspace, name))
        found["adaptation"]["bytes"] += held
        found["adaptation"]["seconds"] += seconds
    for each in found.values():
        if "seconds" in each:
            each["seconds"] = round(each["seconds"], 2)
    return {"rooms": names, **found, "machine": {"cores": cores(), "instruction_set": instruction_set()}}


def sentence(found: dict[str, Any]) -> str:
    """The figures in words."""
    lifted, held, naive = found["lifted"], found["adaptation"], found["naive"]["bytes"]
    made, stored, plain = (f"{size / 1e6:.0f} MB" for size in (held["bytes"], lifted["bytes"], naive))
    return (
        f"Storage and time of {len(found['rooms'])} rooms of the new domain beside their teacher views "
        f"(`python -m benchmarks.claims storage`): adaptation stores nothing and makes {made} of rendering weights in "
        f"memory, {held['seconds']:.0f} CPU seconds; lifting stores {stored}, {lifted['seconds']:.0f} CPU seconds, and "
        f"{plain} as plain halves. Most of what the paper saves by not lifting is saved here by storing lifted rows "
        f"compactly, {naive / lifted['bytes']:.0f} times smaller."
    )


def _lift(workspace: Workspace, name: str) -> dict[str, int]:
    store = workspace.store
    scene = read_scene(store.scene(name, "gaussians"))
    with tempfile.TemporaryDirectory(prefix="chorus-") as folder:
        return make_targets(scene, store.scene(name, "teacher_views"), workspace.params.targets, out=Path(folder))


def _weights(workspace: Workspace, name: str) -> int:
    """Bytes of every distinct G."""
    store = workspace.store
    scene = read_scene(store.scene(name, "gaussians"))
    targets = load_targets(store.scene(name, "targets"), store.scene(name, "teacher_views"), scene=scene)
    return sum(
        {matrix_key(targets.views, role): stored_bytes(targets.weights(role)) for role in targets.roles}.values()
    )


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.process_time()
    return work(), time.process_time() - start
