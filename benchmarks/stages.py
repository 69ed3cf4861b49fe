"""Each stage of the chain at the paper's size, or at a small one for correctness: what ``benchmarks/gpu.py`` times."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch

from benchmarks.house import drawn_room, house
from chorus.adapt.train import Adaptation, AdaptScene
from chorus.cameras import Cameras, look_at
from chorus.capture import Capture
from chorus.device import autocast
from chorus.distill.batches import TrainingScene
from chorus.distill.scenes import HeldScenes
from chorus.distill.train import Distillation
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel
from chorus.encoder.encode import SceneEncoder
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import preset
from chorus.params import FitParams, Params
from chorus.scene import GaussianScene
from chorus.splat.fit import fit_scene
from chorus.splat.rasterize import render_features
from chorus.splat.weights import scene_weights
from chorus.teachers.load import load_teachers
from chorus.teachers.views import make_teacher_views
from chorus.train.loop import Task
from chorus_kernels import lift


class Line(NamedTuple):
    """One line of the table. goal: on an H100, as text; gib: peak of the card's memory, None where none is counted."""

    stage: str
    case: str
    milliseconds: float
    gib: float | None
    goal: str = ""


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large the stages are."""

    fitted: int  # Gaussians
    width: int  # pixels
    height: int
    views: int  # of a fit, of lifting, and of an adaptation step
    trained: int  # Gaussians of a step
    encoded: int
    preset: str
    channels: dict[str, int]  # of the heads, by role
    head_width: int
    grid: tuple[int, int]  # patches of a teacher's view


PAPER = Size(
    fitted=200_000,
    width=640,
    height=480,
    views=4,
    trained=192_000,
    encoded=1_000_000,
    preset="base",
    channels={"lang": 1152, "dino": 1024, "object": 1024},
    head_width=4928,
    grid=(30, 40),
)
SMALL = Size(
    fitted=120,
    width=32,
    height=32,
    views=2,
    trained=400,
    encoded=600,
    preset="tiny",
    channels={"lang": 16, "dino": 8, "object": 8},
    head_width=12,
    grid=(4, 4),
)


class Meter:
    """Least wall time of a call, the device idle before and after, and its peak of memory."""

    def __init__(self, device: torch.device, repeats: int):
        self.device, self.repeats = device, repeats

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def __call__(self, run: Callable[[], object]) -> tuple[float, float | None]:
        """Milliseconds and GiB."""
        run()
        self.forget_peak()
        best = float("inf")
        for _ in range(self.repeats):
            self.wait()
            start = time.perf_counter()
            run()
            self.wait()
            best = min(best, time.perf_counter() - start)
        return 1e3 * best, self.peak()

    def forget_peak(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)

    def peak(self) -> float | None:
        return torch.cuda.max_memory_allocated(self.device) / 2**30 if self.device.type == "cuda" else None


def lines(size: Size, params: Params, device: torch.device, *, repeats: int) -> Iterator[Line]:
    """All stages, in the chain's order."""
    meter = Meter(device, repeats)
    for stage in (fitting, seeing, lifting, distilling, adapting, encoding):
        yield from stage(size, params, meter)


def fitting(size: Size, params: Params, meter: Meter) -> Iterator[Line]:
    """Iterations of the fit's own loop, between two of its reports."""
    steps, told = 20, []

    def progress(*_: int) -> None:
        meter.wait()
        told.append(time.perf_counter())

    budget = size.fitted * 5 // 4  # four fifths of the budget are there from the start
    settings = FitParams(
        max_gaussians=budget, iterations=2 * steps, max_gaussians_real=budget, iterations_real=2 * steps
    )
    meter.forget_peak()
    fit_scene(_capture(size), settings, seed=0, device=meter.device, progress=progress)
    case = f"{size.fitted:,} Gaussians, {size.width}x{size.height}, an iteration"
    yield Line("fit", case, 1e3 * (told[1] - told[0]) / steps, meter.peak())


def seeing(size: Size, params: Params, meter: Meter) -> Iterator[Line]:
    """Renders shown to the embedded teachers, whose weights need no download."""
    scene, cameras = _room(size.fitted), _cameras(size)
    family = replace(params.teachers, family="embedded")
    teachers = load_teachers(family, device=meter.device)
    with TemporaryDirectory() as folder:

        def run() -> None:
            make_teacher_views(scene, cameras, teachers, out=Path(folder), batch=size.views, device=meter.device)

        spent, peak = meter(run)
    case = f"{size.fitted:,} Gaussians, {size.width}x{size.height}, three embedded teachers, with the files"
    yield Line("teacher view", case, spent / size.views, peak)


def lifting(size: Size, params: Params, meter: Meter) -> Iterator[Line]:
    """The weights of some views made, then the widest teacher multiplied."""
    scene, cameras, (rows, columns) = _room(size.fitted).to(meter.device), _cameras(size), size.grid
    spent, peak = meter(lambda: scene_weights(scene, cameras, rows=rows, columns=columns))
    case = f"{size.fitted:,} Gaussians, {rows}x{columns} patches of {size.width}x{size.height}"
    yield Line("lift, weights of a view", case, spent / size.views, peak)
    weights, wide = scene_weights(scene, cameras, rows=rows, columns=columns), max(size.channels.values())
    maps = torch.randn(size.views * rows * columns, wide, device=meter.device).half()
    spent, peak = meter(lambda: lift(weights, maps))
    yield Line("lift, features of a view", f"{case}, {wide} channels", spent / size.views, peak)


def distilling(size: Size, params: Params, meter: Meter) -> Iterator[Line]:
    scene = _house(size.trained)
    draw = torch.Generator().manual_seed(0)
    targets = {role: torch.randn(len(scene), c, generator=draw).half() for role, c in size.channels.items()}
    valid = {role: torch.ones(len(scene), dtype=torch.bool) for role in targets}
    room = TrainingScene(name="room", scene=scene, targets=targets, valid=valid)
    settings = replace(params.distill, points=size.trained, head_width=size.head_width, steps=2)
    task = Distillation(HeldScenes([room]), _config(size), params=settings, seed=0, spaces={}, device=meter.device)
    case = f"{size.trained:,} Gaussians, `{size.preset}`, heads {'/'.join(map(str, size.channels.values()))}"
    start = time.perf_counter()
    drawn = task.sample(0)
    host = 1e3 * (time.perf_counter() - start)
    task.samples.close()
    task.samples = {0: drawn}  # type: ignore[assignment]
    spent, peak = meter(lambda: _step(task, step=1))  # the second half, when all teachers teach
    yield Line("distillation step, on the device", case, spent, peak, "500 ms")
    yield Line("distillation step, on the host", f"{case}: augmented, voxels, geometry", host, None)


def adapting(size: Size, params: Params, meter: Meter) -> Iterator[Line]:
    """A step beside what it replaces: the same features rasterised at the views' size, there and back."""
    scene, cameras, (rows, columns) = _house(size.trained), _cameras(size), size.grid
    weights = scene_weights(scene.to(meter.device), cameras, rows=rows, columns=columns).to("cpu")
    draw = torch.Generator().manual_seed(0)
    patches = size.views * rows * columns
    room = AdaptScene(
        name="room",
        scene=scene,
        weights=dict.fromkeys(size.channels, weights),
        teacher_maps={role: torch.randn(patches, c, generator=draw) for role, c in size.channels.items()},
        starts=dict.fromkeys(size.channels, torch.arange(size.views + 1) * rows * columns),
    )
    settings = replace(params.adapt, views=size.views, steps=2, tune="all")
    task = Adaptation(SceneModel(_config(size)), [room], params=settings, seed=0, device=meter.device)
    case = f"{size.trained:,} Gaussians, {size.views} views of {rows}x{columns} patches, `{size.preset}`"
    spent, peak = meter(lambda: _step(task, step=1))
    yield Line("adaptation step, whole", case, spent, peak)
    spent, peak = meter(lambda: _rendered(task))
    yield Line("adaptation step, rendering features", case, spent, peak)
    there, wide = scene.to(meter.device), max(size.channels.values())
    features = torch.randn(len(scene), wide, device=meter.device, requires_grad=True)
    raster, peak = meter(lambda: render_features(there, features, cameras).sum().backward())
    goal = f"10 times the line above; {raster / spent:.1f} here"
    yield Line("rasterising the features instead", f"{case}, {wide} channels", raster, peak, goal)


def encoding(size: Size, params: Params, meter: Meter) -> Iterator[Line]:
    scene = _house(size.encoded).to(meter.device)
    encoder = SceneEncoder(SceneModel(_config(size, heads=False)).to(meter.device))
    spent, peak = meter(lambda: encoder.encode(scene, ("tokens", "upcast"), progress=False))
    yield Line(
        "encode", f"{size.encoded:,} Gaussians, `{size.preset}`, tokens and upcast", spent, peak, "350 ms, 8 GiB"
    )


def _step(task: Task, *, step: int) -> None:
    """Losses, gradients and the optimiser, as the training loop takes them."""
    task.optimizer.zero_grad()
    with autocast(next(task.module.parameters()).device):
        losses = task.losses(step, 0)
    torch.stack(list(losses.values())).sum().backward()
    task.optimizer.step()


def _rendered(task: Adaptation) -> None:
    """The sparse products of a step alone: the widest head's features to all patches, there and back."""
    from chorus_kernels import render_features as to_patches

    weights = next(iter(task.scenes[0].weights.values())).to(task.device)
    wide = min(max(task.module.head(role).channels for role in task.roles), task.module.head(task.roles[0]).width)
    features = torch.ones(weights.shape[0], wide, device=task.device, requires_grad=True)
    to_patches(weights, features).sum().backward()


def _config(size: Size, *, heads: bool = True) -> ModelConfig:
    inputs = InputConfig(grid_size=0.02)
    found = {role: HeadConfig(channels=c, width=size.head_width) for role, c in size.channels.items() if heads}
    torch.manual_seed(0)
    return ModelConfig(encoder=preset(size.preset, in_channels=inputs.channels), inputs=inputs, heads=found)


def _room(count: int) -> GaussianScene:
    return drawn_room(count)


def _house(count: int) -> GaussianScene:
    return house(count, drawn_room(min(count, 100_000)))


def _cameras(size: Size) -> Cameras:
    angles = np.linspace(0, 2 * np.pi, size.views, endpoint=False)
    eye = np.array([2.5, 2.0, 1.4])
    poses = np.stack([look_at(eye, eye + [np.cos(a), np.sin(a), -0.1]) for a in angles])
    K = np.array([[0.6 * size.width, 0, size.width / 2], [0, 0.6 * size.width, size.height / 2], [0, 0, 1]])
    return Cameras(K=np.repeat(K[None], size.views, 0), cam_from_world=poses, width=size.width, height=size.height)


def _capture(size: Size) -> Capture:
    """Views of noise with depth: what is fitted does not matter to how long a step takes, only how much there is."""
    draw, shape = np.random.default_rng(0), (size.views, size.height, size.width)
    depth = draw.uniform(1.5, 2.5, shape).astype(np.float32)
    return Capture(images=draw.integers(0, 255, (*shape, 3), np.uint8), cameras=_cameras(size), depth=depth)
