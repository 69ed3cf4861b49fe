"""The paper's recipe at full width: two real distillation steps on this machine, and from what they measure a plan on
paper for cards: ``python -m benchmarks.paper_step [--plan]``."""

from __future__ import annotations

import json
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
import tyro
from torch import Tensor

from benchmarks.house import drawn_room, house
from benchmarks.operations import operations, product_rate
from benchmarks.plan import planned
from benchmarks.table import put_into
from benchmarks.timing import in_own_process
from chorus.distill.load import StoredScene, StoredScenes
from chorus.distill.scenes import crop_rows
from chorus.distill.train import train_encoder
from chorus.encoder.inputs import InputConfig, voxelize
from chorus.encoder.model import Encoder, preset
from chorus.io import read_scene, write_ply
from chorus.params import Params, load_params
from chorus.room import require_memory
from chorus.scene import GaussianScene
from chorus.teachers.base import Role
from chorus.teachers.row_codec import CHUNK, CodedRows, code_rows
from chorus.teachers.rows import ROWS, RowFile, curve_order, save_rows

WIDTHS: dict[Role, int] = {"lang": 1152, "dino": 1024, "object": 1024}  # of SigLIP2, DINOv3 and PE-Spatial
ROOT = Path(__file__).parents[1]
KEPT = ROOT / "docs" / "paper_step.json"
NEEDED = 14e9  # bytes of memory, at most


def main(
    plan: bool = False,
    reading: bool = False,
    gaussians: int = 240_000,
    steps: int = 2,
    threads: int = 2,
    kept: Path = KEPT,
    markdown: Path | None = None,
) -> None:
    """Measure, keep what was measured, and print it with the plan.

    Args:
        plan: Print the plan from what is kept; nothing is measured.
        reading: Measure again what a sample reads, on one thread, and nothing else.
        gaussians: Of the scene that crops of ``distill.crop`` are taken from.
        markdown: Also write it there, between the marks of a benchmark called paper_step.
    """
    if reading:
        with tempfile.TemporaryDirectory() as folder:
            in_own_process(make_scene, Path(folder), gaussians, threads)
            found = json.loads(kept.read_text()) | in_own_process(read_alone, Path(folder))
        kept.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    elif not plan:
        require_memory(
            NEEDED * min(1.0, gaussians / 192_000), what="steps at full width", fix="Use a larger machine, or --plan."
        )
        with tempfile.TemporaryDirectory() as folder:
            in_own_process(make_scene, Path(folder), gaussians, threads)
            found = in_own_process(measure, Path(folder), steps, threads)
        kept.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    found = json.loads(kept.read_text())
    text = f"{measured(found)}\n{planned(found)}"
    print(text)
    if markdown is not None:
        put_into(markdown, text, "paper_step")


def measured(found: dict) -> str:
    """What two steps took here."""
    return (
        f"{found['threads']} threads, torch.mm {found['product_rate']:.0f} GF/s; {found['rows']:,} rows of "
        f"{found['gaussians']:,} Gaussians, {found['voxels']:,} voxels; {found['parameters'] / 1e6:.1f} M parameters\n"
        f"peak memory {found['peak'] / 1e9:.1f} GB; seconds a step: {', '.join(f'{s:.0f}' for s in found['seconds'])}\n"
        f"read a step: {found['read_bytes'] / 1e6:.1f} MB (rows {found['row_bytes'] / 1e6:.1f}), opened in "
        f"{found['open_seconds']:.1f} CPU seconds; losses {', '.join(f'{loss:.3f}' for loss in found['losses'])}"
    )


def make_scene(folder: Path, gaussians: int, threads: int) -> None:
    """A house and its rows of three teachers' widths: smooth in space, with a falling spectrum and noise."""
    torch.set_num_threads(threads)
    scene = house(gaussians, drawn_room())
    write_ply(folder / "scene.ply", scene)
    order = curve_order(scene.means)
    valid = torch.ones(len(scene), dtype=torch.bool)
    rows: dict[Role, CodedRows] = {}
    rows |= {role: code_rows(features(scene, channels)[order], valid, error=0.01) for role, channels in WIDTHS.items()}
    save_rows(folder / ROWS, rows, valid=dict.fromkeys(WIDTHS, valid), order=order, teachers={})


def features(scene: GaussianScene, channels: int) -> Tensor:
    """[N, C]"""
    draw = torch.Generator().manual_seed(channels)
    waves = torch.randn(3, 400, generator=draw) * torch.logspace(-0.5, 0.8, 400)
    power = torch.arange(1, 401) ** -0.7
    mixed = torch.sin(scene.means @ waves) * power @ torch.randn(400, channels, generator=draw)
    return mixed + 0.3 * torch.randn(len(scene), channels, generator=draw) + torch.randn(channels, generator=draw)


def measure(folder: Path, steps: int, threads: int) -> dict:
    """Two steps, alone in a process."""
    torch.set_num_threads(threads)
    params = load_params(ROOT / "params.yaml", ROOT / "params.paper.yaml")
    scenes = StoredScenes([StoredScene("house", folder / "scene.ply", folder)])
    inputs = InputConfig(grid_size=params.encoder.grid_size, voxel=params.encoder.voxel)
    found = read_once(scenes, folder, params) | operations_of(scenes, inputs, params)
    clock = [time.perf_counter()]
    counted = Kept()
    with torch.autograd.graph.saved_tensors_hooks(counted.pack, lambda x: x):
        result = train_encoder(
            scenes,
            encoder_config=preset(params.encoder.preset, in_channels=inputs.channels),
            inputs=inputs,
            params=replace(params.distill, steps=steps, log_every=1, ranks=1, accumulate=1),
            out=folder / "model",
            watch=lambda row: (clock.append(time.perf_counter()), counted.close())[0],
        )
    return found | {
        "threads": threads,
        "product_rate": product_rate(),
        "seconds": [b - a for a, b in zip(clock, clock[1:], strict=False)],
        "losses": [row["loss"] for row in result.curves],
        "parameters": sum(p.numel() for p in result.model.parameters()),
        "kept_for_backward": max(counted.steps),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }


class Kept:
    """Bytes that the forward pass keeps for the backward one, each storage once, parameters left out."""

    def __init__(self) -> None:
        self.now: dict[int, int] = {}
        self.steps: list[int] = []

    def pack(self, tensor: Tensor) -> Tensor:
        if not isinstance(tensor, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            self.now[storage.data_ptr()] = storage.nbytes()
        return tensor

    def close(self) -> None:
        self.steps.append(sum(self.now.values()))
        self.now = {}


def read_alone(folder: Path) -> dict:
    """What a sample reads, alone in a process."""
    torch.set_num_threads(1)
    params = load_params(ROOT / "params.yaml", ROOT / "params.paper.yaml")
    return read_once(StoredScenes([StoredScene("house", folder / "scene.ply", folder)]), folder, params)


def read_once(scenes: StoredScenes, folder: Path, params: Params) -> dict:
    """What a sample reads: bytes, and CPU seconds to open it."""
    file = RowFile.open(folder)
    start = time.process_time()
    scene = scenes.open(0, crop=params.distill.crop, generator=torch.Generator().manual_seed(0))
    seconds = time.process_time() - start
    along = read_scene(folder / "scene.ply")
    along = along.select(file.order(along))
    valid = file.valid("lang")
    rows = crop_rows(along, params.distill.crop, among=valid, generator=torch.Generator().manual_seed(0))
    chunks = torch.unique(rows // CHUNK)
    touched = len(chunks) * CHUNK / len(file)
    row_bytes = int(touched * (folder / ROWS).stat().st_size)
    return {
        "gaussians": len(file),
        "rows": len(scene.scene),
        "touched_rows": len(chunks) * CHUNK,
        "row_bytes": row_bytes,
        "read_bytes": row_bytes + (folder / "scene.ply").stat().st_size,
        "open_seconds": seconds,
        "axes": {role: len(file.code(role).scale) for role in file.roles},
        "scene_bytes_a_gaussian": (folder / "scene.ply").stat().st_size / len(file),
    }


def operations_of(scenes: StoredScenes, inputs: InputConfig, params: Params) -> dict:
    """Floating-point operations of one forward pass over a crop: the encoder's, and the heads'."""
    crop = scenes.open(0, crop=params.distill.crop, generator=torch.Generator().manual_seed(0))
    config = preset(params.encoder.preset, in_channels=inputs.channels)
    voxels = voxelize(crop.scene, inputs)
    pyramid = Encoder(config).prepare(voxels.grid, torch.tensor([len(voxels)]))
    width = params.distill.head_width
    head = sum(2.0 * len(voxels) * width * (config.width + channels) for channels in WIDTHS.values())
    return {
        "voxels": len(voxels),
        "encoder_operations": sum(operations(pyramid, config).values()),
        "head_operations": head,
        "head_width": width,
        "channels": sum(WIDTHS.values()),
    }


if __name__ == "__main__":
    tyro.cli(main)
