"""The encoders of the runs: trained once each, kept in the workspace's state until their figures are."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import chorus
from benchmarks.claims.runs import Encoder, Run
from chorus.adapt.load import adaptation_scenes, spaces_of
from chorus.adapt.train import adapt_encoder
from chorus.device import device_of
from chorus.distill.batches import TrainingScene
from chorus.distill.load import StoredScenes
from chorus.distill.masked import train_masked
from chorus.distill.scenes import HeldScenes
from chorus.distill.train import LATE, train_encoder
from chorus.encoder.augment import Augmentation
from chorus.encoder.checkpoint import ModelConfig, SceneModel, load_model
from chorus.encoder.model import preset
from chorus.encoder.shipped import RUN
from chorus.errors import MissingError
from chorus.io import read_scene
from chorus.json_files import read_json, write_json
from chorus.probe import few_rooms, untrained
from chorus.recipes import chain
from chorus.recipes.models import inputs_of, ready
from chorus.recipes.trial import lay_out
from chorus.store import MANIFEST, Store, atomic_folder
from chorus.teachers.lift import SceneTargets, targets_of
from chorus.teachers.load import words_source
from chorus.workspace import Workspace

RIGID = Augmentation(unseen_noise=0.0, blur_share=0.0)
AUGMENTATIONS = {
    "splats": Augmentation(),
    "rigid": RIGID,
    "points": replace(RIGID, jitter=0.005, dropout=0.2),  # as encoders of points are trained
}
SECONDS = "seconds.json"  # of a model's folder


def rooms_of(workspace: Workspace, share: float, *, seed: int = 0) -> list[str]:
    """A share of the main domain's training rooms, in their order."""
    names = ready(workspace, workspace.rooms(split="train", domain="main"))
    return [names[number] for number in few_rooms(len(names), share, seed=seed)]


def generated_rooms(workspace: Workspace) -> Workspace:
    """A workspace of as many rooms that a program drew as the main domain has to train on, made or not."""
    count = len(workspace.rooms(split="train", domain="main"))
    return lay_out(workspace, workspace.store.root / ".state" / "claims" / "generated", designed=0, generated=count)


def make_generated_rooms(workspace: Workspace) -> None:
    """What of them is not there or up to date; a room that cannot be made is told and left out."""
    own = generated_rooms(workspace)
    chain.teach(own, own.rooms(split="train", domain="main"))


def encoder_of(workspace: Workspace, run: Run) -> tuple[SceneModel, dict[str, float]]:
    """The run's encoder, trained now unless it lies there, and the seconds its own training took (wall, cpu)."""
    if run.encoder.kind == "untrained":
        return untrained(SceneModel(_config(workspace, run.encoder)), seed=run.seed), {}
    if run.encoder.kind == "shipped" and not run.encoder.adapted:
        return chorus.load(variant=run.encoder.variant, device=workspace.params.device).model, {}
    folder = workspace.store.root / ".state" / "claims" / f"{run.frozen().name}-{run.frozen().key(workspace.params)}"
    if not folder.is_dir():
        with atomic_folder(folder) as out:
            wall, cpu = time.perf_counter(), time.process_time()
            (_adapt if run.encoder.adapted else _train)(workspace, run, out, folder.with_name(folder.name + "-state"))
            seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
            write_json(out / SECONDS, {name: round(value, 1) for name, value in seconds.items()})
    return load_model(folder), read_json(folder / SECONDS)


def _pretrained(workspace: Workspace, variant: str) -> SceneModel:
    """What the shipped model was made of, with the teachers' spaces that an adaptation reads. Raises MissingError where
    it is not there, or another one is."""
    folder = workspace.store.root / "pretrain" / "data" / "models" / "encoder"
    wanted = read_json(RUN)["encoder"]
    found = read_json(folder / MANIFEST)["hash"] if (folder / MANIFEST).is_file() else "nothing there"
    if found != wanted:
        fix = "Make it: make pretrain."
        raise MissingError(folder, expected=f"the encoder {wanted[:12]} that ships", got=found[:13], fix=fix)
    return load_model(folder / variant)


def _config(workspace: Workspace, encoder: Encoder) -> ModelConfig:
    inputs = replace(inputs_of(workspace.params.encoder, encoder.variant), voxel=encoder.voxel)
    size = preset(workspace.params.encoder.preset, in_channels=inputs.channels)
    return ModelConfig(encoder=size, inputs=inputs)


def _train(workspace: Workspace, run: Run, out: Path, state: Path) -> None:
    encoder, config = run.encoder, _config(workspace, run.encoder)
    place = generated_rooms(workspace) if encoder.generated else workspace
    store, names = place.store, rooms_of(place, encoder.rooms)
    setup = {
        "encoder_config": config.encoder,
        "inputs": config.inputs,
        "params": replace(workspace.params.distill, steps=run.steps),
        "out": out,
        "seed": run.seed,
        "device": device_of(workspace.params.device),
        "state": state,
    }
    if encoder.kind == "masked":
        scenes = {name: read_scene(store.scene(name, "gaussians")) for name in names}
        train_masked(names, scenes.__getitem__, **setup)
        return
    rooms = StoredScenes.of(store, names, roles=encoder.roles, standard=encoder.standard, labels=encoder.labels)
    train_encoder(
        exact(rooms, store) if encoder.exact else rooms,
        **setup,
        spaces=rooms.reader.spaces,
        teachers=rooms.reader.teachers,
        text=words_source(workspace.params.teachers, store),
        late=LATE if encoder.late else None,
        augmentation=AUGMENTATIONS[encoder.augmentation],
    )


def exact(rooms: StoredScenes, store: Store) -> HeldScenes:
    """The same scenes in memory, each target as it was lifted (in halves) where the stored ones are compact rows."""
    return HeldScenes(
        [_lifted(rooms.open(which), targets_of(store, name), rooms) for which, name in enumerate(rooms.names)]
    )


def _lifted(scene: TrainingScene, targets: SceneTargets, rooms: StoredScenes) -> TrainingScene:
    order = targets.rows.order(targets.gaussians)
    standards = rooms.reader.standards
    found = {role: standards[role].apply(targets.lifted(role)[order]).half() for role in rooms.reader.roles}
    return replace(scene, targets=found)


def _adapt(workspace: Workspace, run: Run, out: Path, state: Path) -> None:
    """The encoder as it was before, adapted to the first rooms of the second domain, or after that to generated ones;
    steps in the same proportion as the distillation's to the usual ones."""
    encoder = run.encoder
    if encoder.then:
        place, domain, count, earlier = generated_rooms(workspace), "main", encoder.then, replace(encoder, then=0)
    else:
        place, domain, count, earlier = workspace, "second", encoder.adapted, replace(encoder, adapted=0)
    shipped = earlier.kind == "shipped" and not earlier.adapted
    usual = replace(run, probe=None, encoder=earlier)
    before = _pretrained(workspace, encoder.variant) if shipped else encoder_of(workspace, usual)[0]
    rooms = ready(place, place.rooms(split="train", domain=domain))[:count]
    params = workspace.params.adapt
    params = replace(params, steps=max(1, round(params.steps * run.steps / workspace.params.distill.steps)))
    device = device_of(workspace.params.device)
    spaces = spaces_of(place.store, rooms, before)
    scenes = adaptation_scenes(place.store, rooms, spaces, device=device)
    adapt_encoder(before, scenes, params=params, spaces=spaces, out=out, seed=run.seed, device=device, state=state)
