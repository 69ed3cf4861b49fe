"""The encoder, distilled on the training rooms in two input variants, and its adaptation to the second domain."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from chorus.errors import ChorusError, StoreError
from chorus.params import EncoderParams
from chorus.recipes import scenes
from chorus.recipes.recipe import Recipe, hash_of
from chorus.stages import ADAPTED, ENCODER, GAUSSIANS, TARGETS, TEACHER_VIEWS, part_of
from chorus.store import Store, plain
from chorus.whole import scratch_folder
from chorus.workspace import Workspace

if TYPE_CHECKING:
    from chorus.distill.load import StoredScenes
    from chorus.distill.shard_files import Index
    from chorus.distill.shards import ShardedScenes
    from chorus.encoder.inputs import InputConfig
    from chorus.train.launch import Job

VARIANTS = ("splats", "points")
READ = (GAUSSIANS, TEACHER_VIEWS, TARGETS)  # what a training reads of a room
SHARDS = "CHORUS_SHARDS"  # of the environment: the address of shards that distillation reads in place of the rooms


def encoder(workspace: Workspace) -> Recipe:
    """Both input variants, distilled on the training rooms of the main domain, or on the shards that CHORUS_SHARDS
    names."""
    params = workspace.params
    names, inputs = _sharded() or _ready(workspace)
    return Recipe(
        store=workspace.store,
        stage=ENCODER,
        device=workspace.params.device,
        make=lambda out: train_variants(workspace, names, out),
        params={"encoder": params.encoder, "distill": params.distill, "text": _words(workspace), "seed": params.seed},
        inputs=inputs,
    )


def adapted_encoder(workspace: Workspace) -> Recipe:
    """The splats variant, adapted on the training rooms of the second domain without labels."""
    names = ready(workspace, workspace.rooms(split="train", domain="second"))
    return Recipe(
        store=workspace.store,
        stage=ADAPTED,
        device=workspace.params.device,
        make=lambda out: adapt(workspace, names, out),
        params={"adapt": workspace.params.adapt, "seed": workspace.params.seed},
        inputs={"encoder": hash_of(workspace.store, ENCODER), **hashes(workspace, names)},
    )


def shard(workspace: Workspace, address: str, *, each: int) -> Index:
    """Write what a training reads of the training rooms to an address, ``each`` of them a shard. Raises StoreError when
    no room is ready, InputError where it cannot be written."""
    from chorus.distill.load import StoredScenes
    from chorus.distill.shards import write_shards

    names, _ = _ready(workspace)
    return write_shards(StoredScenes.of(workspace.store, names), address, each=each, seed=workspace.params.seed)


def _ready(workspace: Workspace) -> tuple[list[str], dict[str, str]]:
    """The training rooms of the main domain whose targets are there, and the hashes of what is read of them."""
    names = ready(workspace, workspace.rooms(split="train", domain="main"))
    return names, hashes(workspace, names)


def _sharded() -> tuple[list[str], dict[str, str]] | None:
    """The same of the shards that are named, where some are."""
    address = os.environ.get(SHARDS)
    if not address:
        return None
    from chorus.distill.shards import read_index

    index, found = read_index(address)
    return index.names, {"shards": found}


def ready(workspace: Workspace, names: Sequence[str]) -> list[str]:
    """The rooms whose targets are there and up to date; one that failed a check has none. Raises StoreError when none
    is."""
    found = [name for name in names if is_ready(workspace, name)]
    if not found:
        raise StoreError(
            TARGETS,
            expected=f"targets of {len(names)} rooms",
            got="none up to date",
            fix="Make them: chorus teach, or materialize scenes/targets.",
        )
    return found


def is_ready(workspace: Workspace, scene: str) -> bool:
    """Whether a scene's capture, Gaussians, teacher views and targets are there and answer to today's parameters."""
    chain = (scenes.capture, scenes.gaussians, scenes.teacher_views, scenes.targets)
    try:
        return all(recipe(workspace, scene).is_current for recipe in chain)
    except ChorusError:
        return False


def hashes(workspace: Workspace, names: Sequence[str]) -> dict[str, str]:
    """Content hashes of what a training reads of these rooms."""
    return {f"{name}/{part_of(stage)}": hash_of(workspace.store, stage, name) for name in names for stage in READ}


def _words(workspace: Workspace) -> str:
    if workspace.params.teachers.family == "embedded":
        return "embedded"  # as words_source says, without importing torch for a recipe
    from chorus.teachers.load import words_source

    return words_source(workspace.params.teachers, workspace.store)


def train_variants(workspace: Workspace, names: Sequence[str], out: Path) -> None:
    """Distil both variants on these rooms, a folder each: at the same time in a process each, or one after another
    where several ranks share a step."""
    from chorus.train.launch import launch

    for variant in VARIANTS:
        (out / variant).mkdir()
    if _in_ranks():
        for variant in VARIANTS:
            distill_variant(workspace, variant, names, out / variant)
        return
    ranks = workspace.params.distill.ranks
    jobs = [_job(variant, ranks, variant, str(out / variant), *names) for variant in VARIANTS]
    with _environment(workspace) as env:
        for together in [jobs] if ranks == 1 else [[job] for job in jobs]:
            launch(together, env)


def distill_variant(workspace: Workspace, variant: str, names: Sequence[str], out: Path) -> None:
    """Distil the teachers' targets of these rooms into an encoder of one input variant. A killed run goes on from its
    checkpoint."""
    from chorus.device import device_of
    from chorus.distill.train import train_encoder
    from chorus.encoder.model import preset
    from chorus.teachers.load import words_source

    store, params = workspace.store, workspace.params
    rooms = _scenes(store, names)
    inputs = inputs_of(params.encoder, variant)
    train_encoder(
        rooms,
        encoder_config=preset(params.encoder.preset, in_channels=inputs.channels),
        inputs=inputs,
        params=params.distill,
        out=out,
        seed=params.seed,
        spaces=rooms.reader.spaces,
        teachers=rooms.reader.teachers,
        text=words_source(params.teachers, store),
        device=device_of(params.device),
        state=store.training(variant),
    )


def _scenes(store: Store, names: Sequence[str]) -> StoredScenes | ShardedScenes:
    from chorus.distill.load import StoredScenes
    from chorus.distill.shards import ShardedScenes

    address = os.environ.get(SHARDS)
    return ShardedScenes(address, store.state / "shards") if address else StoredScenes.of(store, names)


def inputs_of(params: EncoderParams, variant: str) -> InputConfig:
    """What an encoder of this variant reads: splats may be upright, points always are."""
    from chorus.encoder.inputs import InputConfig

    upright = params.upright and variant == "splats"
    return InputConfig(variant=variant, grid_size=params.grid_size, voxel=params.voxel, upright=upright)


def adapt(workspace: Workspace, names: Sequence[str], out: Path, *, base: Path | None = None) -> None:
    """As :func:`adapt_splats`, in as many processes as ``adapt.ranks`` says."""
    from chorus.train.launch import launch

    base, ranks = base or workspace.store.artifact(ENCODER) / "splats", workspace.params.adapt.ranks
    if ranks == 1 or _in_ranks():
        adapt_splats(workspace, names, out, base=base)
        return
    with _environment(workspace) as env:
        launch([_job("adapted", ranks, "adapted", str(out), str(base), *names)], env)


def adapt_splats(workspace: Workspace, names: Sequence[str], out: Path, *, base: Path | None = None) -> None:
    """Adapt a model of splats (the workspace's own where no folder of another is given) to these rooms, and write it
    into ``out``. A killed run goes on from its checkpoint."""
    from chorus.adapt.load import adaptation_scenes, spaces_of
    from chorus.adapt.train import adapt_encoder
    from chorus.device import device_of
    from chorus.encoder.checkpoint import load_model

    store, params = workspace.store, workspace.params
    model = load_model(base or store.artifact(ENCODER) / "splats")
    spaces = spaces_of(store, names, model)
    adapt_encoder(
        model,
        adaptation_scenes(store, names, spaces, device=device_of(params.device)),
        params=params.adapt,
        spaces=spaces,
        out=out,
        seed=params.seed,
        device=device_of(params.device),
        state=store.training("adapted"),
    )


def _in_ranks() -> bool:
    """Whether torchrun started this process: then the work is done here."""
    from chorus.train.world import started

    return started().size > 1


def _job(name: str, ranks: int, *arguments: str) -> Job:
    from chorus.train.launch import Job

    return Job(f"training of {name}", "chorus.recipes.rank", arguments, ranks)


@contextmanager
def _environment(workspace: Workspace) -> Iterator[dict[str, str]]:
    """What makes a process see this very workspace, its parameters included."""
    with scratch_folder("params") as folder:
        params = folder / "params.yaml"
        params.write_text(yaml.safe_dump(plain(workspace.params)))
        yield {"CHORUS_ROOT": str(workspace.store.root), "CHORUS_PARAMS": str(params)}
