"""What lifted targets take on disk, how far they are from what was lifted, and what reading them costs a training:
``python -m benchmarks.target_rows size | loading``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import tyro
from torch import Tensor

from benchmarks.teachers import network_maps, scene_of_depth
from benchmarks.timing import milliseconds
from chorus.cameras import Cameras
from chorus.capture import Capture
from chorus.distill.load import HELD, StoredScenes
from chorus.distill.train import Distillation
from chorus.encoder.checkpoint import HeadConfig, ModelConfig
from chorus.encoder.inputs import InputConfig
from chorus.encoder.model import preset
from chorus.params import load_params
from chorus.scene import GaussianScene
from chorus.splat.rasterize import render
from chorus.splat.weights import scene_weights
from chorus.store import Store
from chorus.teachers.lift import naive_bytes, targets_of
from chorus.teachers.row_codec import CHUNK, CodedRows, code_rows
from chorus.teachers.rows import curve_order
from chorus_kernels import lift

HEAD = (
    "rows",
    "channels",
    "error asked",
    "axes",
    "bytes a row",
    "of N x C halves",
    "cosine: mean, 1st percentile",
    "centred: mean, 1st percentile",
)


def size(
    scene: str = "apt2-kitchen",
    root: Path = Path(),
    gaussians: int = 100_000,
    copies: int = 4,
    errors: tuple[float, ...] = (0.005, 0.01, 0.02, 0.04),
) -> None:
    """Bytes against cosine, of a room of the workspace and of wide features of an ImageNet network.

    Args:
        scene: A room with targets: its own teachers' rows are lifted anew and coded.
        gaussians: Of the second scene, unprojected from the room's depth, and seen from ``copies`` times as many views
            as the room has, rendered from these Gaussians and shown to EfficientNet-Lite0 (1280 channels).
    """
    store = Store(root)
    targets = targets_of(store, scene)
    order = targets.rows.order(targets.gaussians)
    _head(f"{scene}: {len(order)} Gaussians, {len(targets.views.cameras)} views, the embedded teachers")
    total: dict[float, int] = dict.fromkeys(errors, 0)
    for role in targets.roles:
        exact, valid = targets.lifted(role)[order], targets.valid(role)[order]
        for error in errors:
            coded = code_rows(exact, valid, error=error)
            total[error] += bytes_of(coded)
            _line(role, exact, valid, error=error, coded=coded)
    naive = naive_bytes(targets.views, len(order))
    features = sum(
        (targets.folder.parent.parent / "teacher_views" / scene / f"{r}.safetensors").stat().st_size
        for r in targets.roles
    )
    print(f"\nall roles: {naive / 1e6:.2f} MB naive, {features / 1e6:.2f} MB the patch maps alone; the rows")
    print("\n".join(f"  at error {e}: {n / 1e6:.3f} MB, {n / naive:.2%}" for e, n in total.items()))
    capture = Capture.load(store.scene(scene, "capture"))
    dense = scene_of_depth(capture, gaussians)
    exact, valid, views = network_rows(dense, capture.cameras, copies)
    _head(f"\n{len(exact)} Gaussians of the same room, {views} views, EfficientNet-Lite0")
    for error in errors:
        coded = code_rows(exact, valid, error=error)
        _line("1280 wide", exact, valid, error=error, coded=coded)
    for axes in (128, 256):
        _line_of_bytes(exact[valid], axes)


def loading(
    scene: str = "apt2-kitchen", root: Path = Path(), rooms: int = 24, variant: str = "splats", repeats: int = 7
) -> None:
    """CPU milliseconds, one thread, of what a step reads (the Gaussians, the rows, their clusters) beside the whole
    step: forward, backward and optimiser of the workspace's own parameters.

    Args:
        rooms: Like this one, of a training: those beyond what stays in memory are read at each step.
    """
    torch.set_num_threads(1)
    params = load_params(root / "params.yaml")
    scenes = StoredScenes.of(Store(root), [scene])
    inputs = InputConfig(
        variant=variant,
        grid_size=params.encoder.grid_size,
        voxel=params.encoder.voxel,
        upright=params.encoder.upright and variant == "splats",
    )
    heads = {role: HeadConfig(channels=c, width=params.distill.head_width) for role, c in scenes.channels.items()}
    config = ModelConfig(encoder=preset(params.encoder.preset, in_channels=inputs.channels), inputs=inputs, heads=heads)
    task = Distillation(scenes, config, params=params.distill, seed=0, spaces={}, device=torch.device("cpu"))
    task.samples = {}  # type: ignore[assignment]

    def read() -> None:
        scenes._held.clear()
        scenes._room = HELD
        task.balance.clusters(scenes.open(0))

    def step() -> None:
        task.samples = {0: task.sample(0)}  # type: ignore[assignment]  # held by now: reading is not in it
        task.optimizer.zero_grad()
        torch.stack(list(task.losses(params.distill.steps, 0).values())).sum().backward()
        task.optimizer.step()

    reading, learning = milliseconds(read, repeats=repeats), milliseconds(step, repeats=repeats)
    held = min(1.0, HELD // (HELD - scenes._room) / rooms)
    each = (1 - held) * reading
    print(
        f"a room is read in {reading:.1f} ms; of {rooms} like it {held:.0%} stay in memory: {each:.1f} ms a step "
        f"beside {learning:.1f} ms, {each / (each + learning):.1%} of it (CPU, one thread)"
    )


def network_rows(scene: GaussianScene, cameras: Cameras, copies: int) -> tuple[Tensor, Tensor, int]:
    """[N, 1280] float32 lifted features along the curve, [N] bool, and the number of views."""
    cameras = more_views(cameras, copies)
    maps = network_maps(np.concatenate(list(_renders(scene, cameras))))
    rows, columns = maps.shape[1:3]
    weights = scene_weights(scene, cameras, rows=rows, columns=columns)
    order = curve_order(scene.means)
    lifted = lift(weights, maps.flatten(0, 2))[order]
    total = weights.total[order]
    return lifted.div_(total.clamp_min(1e-9)[:, None]), total > 1e-3, len(cameras)


def more_views(cameras: Cameras, copies: int) -> Cameras:
    """Each camera and ``copies`` - 1 near it: turned by up to 20 degrees and moved by up to 0.3 m."""
    draw = np.random.default_rng(0)
    poses = [cameras.cam_from_world]
    for _ in range(copies - 1):
        moves = np.tile(np.eye(4), (len(cameras), 1, 1))
        angle = np.radians(draw.uniform(-20, 20, len(cameras)))
        moves[:, 0, 0] = moves[:, 2, 2] = np.cos(angle)
        moves[:, 0, 2], moves[:, 2, 0] = np.sin(angle), -np.sin(angle)
        moves[:, :3, 3] = draw.uniform(-0.3, 0.3, (len(cameras), 3)) * (1, 0.3, 1)
        poses.append(moves @ cameras.cam_from_world)
    return replace(cameras, K=np.tile(cameras.K, (copies, 1, 1)), cam_from_world=np.concatenate(poses))


def bytes_of(coded: CodedRows) -> int:
    """All of one role that a training reads, as rows.safetensors holds it."""
    code, chunks = coded.code, len(coded.streams)
    parts = (code.axes, code.scale, code.mean, code.variance)
    beside = sum(x.numel() * x.element_size() for x in parts) + 2 * len(code.order) + 16 * chunks + CHUNK * chunks // 8
    return sum(map(len, coded.streams)) + beside


def _renders(scene: GaussianScene, cameras: Cameras) -> Iterator[np.ndarray]:
    for start in range(0, len(cameras), 8):
        with torch.no_grad():
            shown = render(scene, cameras.select(slice(start, start + 8)))
        colors = shown.colors + 0.5 * (1 - shown.alpha[..., None])
        yield (colors.clamp(0, 1) * 255).round().byte().numpy()


def _head(title: str) -> None:
    print(f"{title}\n\n| " + " | ".join(HEAD) + " |\n|" + "---|" * len(HEAD), flush=True)


def _line(name: str, exact: Tensor, valid: Tensor, *, error: float, coded: CodedRows) -> None:
    each, f = bytes_of(coded) / len(exact), coded.figures
    cells = (
        name,
        f"{exact.shape[1]}",
        f"{error:g}",
        f"{len(coded.code.scale)}",
        f"{each:.1f}",
        f"{each / exact.shape[1] / 2:.2%}",
        f"{f['cosine_mean']:.4f}, {f['cosine_p01']:.4f}",
        f"{f['centered_cosine_mean']:.4f}, {f['centered_cosine_p01']:.4f}",
    )
    print("| " + " | ".join(cells) + " |", flush=True)


def _line_of_bytes(exact: Tensor, axes: int) -> None:
    """The plain way: int8 of so many leading axes, a scale an axis."""
    mean = exact.mean(dim=0)
    centered = exact - mean
    _, basis = torch.linalg.eigh((centered.T @ centered).double())
    basis = basis.float().flip(1)[:, :axes]
    z = centered @ basis
    step = z.abs().amax(dim=0) / 127
    back = mean + ((z / step).round() * step) @ basis.T
    cosine = np.sort(torch.nn.functional.cosine_similarity(back, exact, dim=1).numpy())
    size = axes + 2 * axes * exact.shape[1] / len(exact)
    print(
        f"| int8 of {axes} axes | {exact.shape[1]} | | {axes} | {size:.1f} | {size / exact.shape[1] / 2:.2%} | "
        f"{cosine.mean():.4f}, {cosine[len(cosine) // 100]:.4f} | |",
        flush=True,
    )


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"size": size, "loading": loading})
