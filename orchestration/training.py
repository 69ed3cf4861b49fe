"""The trainings: each input variant of the encoder in a process of its own, one thread each."""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from chorus.params import Params
from chorus.store import Store
from orchestration.crew import begin_worker

VARIANTS = ("splats", "points")


def in_parallel(work: Callable, jobs: Sequence[tuple]) -> None:
    """Call ``work(*job)`` for every job, each in a new process. The first error is raised here."""
    with ProcessPoolExecutor(len(jobs), multiprocessing.get_context("spawn"), begin_worker) as pool:
        for future in [pool.submit(work, *job) for job in jobs]:
            future.result()


def train_variant(root: Path, params: Params, variant: str, names: Sequence[str], out: Path) -> None:
    """Distil the teachers' targets of these rooms into an encoder of one input variant. A killed run goes on from its
    checkpoint."""
    from chorus.distill.train import train_encoder
    from chorus.encoder.inputs import InputConfig
    from chorus.encoder.model import preset
    from chorus.teachers.load import words_source

    store = Store(root)
    scenes, phi_s, teachers = training_scenes(store, names)
    encoder = params.encoder
    inputs = InputConfig(
        variant=variant,
        grid_size=encoder.grid_size,
        voxel=encoder.voxel,
        upright=encoder.upright and variant == "splats",
    )
    train_encoder(
        scenes,
        encoder_config=preset(encoder.preset, in_channels=inputs.channels),
        inputs=inputs,
        params=params.distill,
        out=out,
        seed=params.seed,
        spaces={role: (fitted.rotation * fitted.scale, fitted.mean) for role, fitted in phi_s.items()},
        teachers=teachers,
        text=words_source(params.teachers, store),
        state=checkpoints(store, f"encoder-{variant}"),
    )


def training_scenes(store: Store, names: Sequence[str], phi_s: dict | None = None) -> tuple[list, dict, dict[str, str]]:
    """Rooms with standardised targets, the PHI-S of every role (fitted on these rooms when None), and the teachers'
    names."""
    from chorus.distill.batches import TrainingScene
    from chorus.teachers.lift import fit_phi_s

    phi_s = phi_s or fit_phi_s([_targets(store, name) for name in names])
    scenes = []
    for name in names:
        found = _targets(store, name).with_phi_s(
            phi_s
        )  # opened for this room alone: the weights it reads or makes go with it
        targets = {role: found.standardized(role).half() for role in found.roles}
        scenes.append(
            TrainingScene(
                name=name, scene=found.scene, targets=targets, valid={role: found.valid(role) for role in found.roles}
            )
        )
    return scenes, phi_s, _teacher_names(store.scene(names[0], "teacher_views"))


def _targets(store: Store, name: str):
    """The lifted targets of a room, with its Gaussians."""
    from chorus.io import read_scene
    from chorus.teachers.lift import load_targets

    return load_targets(
        store.scene(name, "targets"),
        store.scene(name, "teacher_views"),
        scene=read_scene(store.scene(name, "gaussians")),
    )


def _teacher_names(folder: Path) -> dict[str, str]:
    """role -> the teacher's name, as its feature file says."""
    from safetensors import safe_open

    names = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            names[path.stem] = (file.metadata() or {}).get("teacher", "")
    return names


def adapt_on(store: Store, params: Params, names: Sequence[str], out: Path) -> None:
    """Adapt the splats variant to these rooms: its predictions, rendered with the cached weights, against the teachers'
    maps."""
    import torch

    from chorus.adapt.train import AdaptScene, adapt_encoder
    from chorus.encoder.checkpoint import load_model

    model = load_model(store.model("encoder") / "splats")
    back = {role: (torch.linalg.inv(space.matrix.double()).float(), space.mean) for role, space in model.spaces.items()}
    scenes = []
    for name in names:
        found = _targets(store, name)
        maps = {role: (found.maps(role).flatten(0, 2).float() - mean) @ matrix for role, (matrix, mean) in back.items()}
        places = {
            "weights": {role: found.weights(role) for role in back},
            "starts": {role: found.views.starts(role) for role in back},
            "pixels": {role: found.views.masks(role).areas for role in back if found.views.by_mask(role)},
        }
        scenes.append(AdaptScene(name=name, scene=found.scene, teacher_maps=maps, **places))
    adapt_encoder(model, scenes, params=params.adapt, out=out, seed=params.seed)


def checkpoints(store: Store, name: str) -> Path:
    """Where a running training keeps its checkpoint: outside the artifact, which appears whole or not at all."""
    folder = store.state / "checkpoints" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
