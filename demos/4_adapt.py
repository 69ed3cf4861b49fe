"""Adapt an encoder to a light it never saw: teachers look at views of the new room, no label is read. A minute."""

import tempfile
from dataclasses import replace
from pathlib import Path

import torch

import chorus
from chorus.incoming import brought_in, options_of
from chorus.io import write_scene
from chorus.recipes import models, scenes, teachers
from chorus.stages import ENCODER, PARTS
from chorus.teachers.lift import targets_of
from chorus.workspace import Workspace

with tempfile.TemporaryDirectory() as folder:
    workspace = Workspace.open(Path(folder))
    params = workspace.params
    short = {"distill": replace(params.distill, steps=120), "adapt": replace(params.adapt, steps=40)}
    workspace = replace(workspace, params=replace(params, **short))
    teachers.embedded(workspace).run()  # the heads that ship

    # One room by day, and by lamplight: two scenes of a workspace, each looked at by the teachers
    day = chorus.read("sample")
    lamp = replace(day, sh=day.sh * 0.5 + torch.tensor([0.0, -0.5, -0.9]))
    for name, room in (("day", day), ("lamp", lamp)):
        write_scene(file := Path(folder) / f"{name}.ply", room)
        with brought_in(workspace.store, file, name, options_of(up="z", unit="m"), splats=True):
            for part in PARTS:
                getattr(scenes, part)(workspace, name).run()

    # It learns the room by day; then it adapts to the lamp
    before, after = workspace.store.artifact(ENCODER) / "splats", Path(folder) / "adapted"
    models.distill_variant(workspace, "splats", ["day"], before)
    models.adapt_splats(workspace, ["lamp"], after)
    taught = targets_of(workspace.store, "lamp").lifted("lang")
    for model in (before, after):
        near = torch.cosine_similarity(chorus.load(model).encode(lamp).lang, taught).mean()
        print(f"{model.name}: cosine to the language teacher by lamplight {near:.3f}")
