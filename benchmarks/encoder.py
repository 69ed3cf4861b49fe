"""The encoder at the size of houses: ``python -m benchmarks.encoder size | tiles | parts``.

The scene is a house made of one room (--capture, --scene, or a furnished box drawn here). Random weights: time does not
depend on them.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch
import tyro
from torch.profiler import ProfilerActivity, profile

from benchmarks.house import captured_room, drawn_room, house
from benchmarks.operations import OPERATORS, operations, product_rate
from benchmarks.timing import in_own_process
from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel
from chorus.encoder.encode import MAX_ROWS, SceneEncoder
from chorus.encoder.inputs import InputConfig, voxelize
from chorus.encoder.model import preset as size_of
from chorus.encoder.tiling import cut
from chorus.io import read_scene
from chorus.scene import GaussianScene

HEADS = {"lang": 1152, "dino": 1024}  # channels of the released heads


def size(
    preset: str = "base",
    sizes: tuple[int, ...] = (50_000, 100_000, 200_000, 500_000, 1_000_000, 1_500_000),
    outputs: tuple[str, ...] = ("tokens", "upcast"),
    files: bool = False,
    threads: int = 2,
    max_rows: int = MAX_ROWS,
    scene: Path | None = None,
    capture: Path | None = None,
) -> None:
    """Seconds and memory against the number of Gaussians, every size in a process of its own.

    Args:
        outputs: What is asked of the encoder.
        files: Write outputs to files block by block, as ``chorus encode`` does, instead of keeping them.
        max_rows: Voxels of a tile.
        scene: A scene file, the room.
        capture: A folder of RGB-D frames, the room.
    """
    room = room_of(scene, capture)
    names = "Gaussians", "voxels", "seconds", "CPU seconds", "CPU microseconds a voxel", "peak GiB"
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for count in sizes:
        found = in_own_process(measure, house(count, room), preset, outputs, files, threads, max_rows)
        each = 1e6 * found.cpu / found.voxels
        print(
            f"| {found.gaussians:,} | {found.voxels:,} | {found.seconds:.1f} | {found.cpu:.1f} | {each:.0f} | "
            f"{found.peak:.1f} |",
            flush=True,
        )


def tiles(
    preset: str = "base",
    sizes: tuple[int, ...] = (300_000,),
    threads: int = 2,
    max_rows: int = MAX_ROWS,
    scene: Path | None = None,
    capture: Path | None = None,
) -> None:
    """Do features in tiles agree with those in one piece? The options are those of `size`."""
    torch.set_num_threads(threads)
    room = room_of(scene, capture)
    print("| Gaussians | tiles | mean cosine | 1 % are below |\n|---|---|---|---|")
    for count in sizes:
        pieces, mean, low = agreement(house(count, room), preset, max_rows=max_rows)
        print(f"| {count:,} | {pieces} | {mean:.4f} | {low:.4f} |", flush=True)


@torch.no_grad()
def parts(
    preset: str = "base",
    gaussians: int = 100_000,
    threads: int = 1,
    scene: Path | None = None,
    capture: Path | None = None,
) -> None:
    """GF/s of the encoder by part. The options are those of `size`.

    Seconds are the profiler's own seconds of each operator, operations are counted from the shapes (a multiply and an
    add are two), and the share is of what torch's own matrix product (2048 x 2048, float32) reaches before and after in
    the same process.
    """
    torch.set_num_threads(threads)
    model = model_of(preset, ())
    voxels = voxelize(house(gaussians, room_of(scene, capture)), model.config.inputs)
    start = time.perf_counter()
    pyramid = model.encoder.prepare(voxels.grid, torch.tensor([len(voxels)]))
    geometry = time.perf_counter() - start
    model.encoder.level_features(pyramid, voxels.feat)  # first use: pages, libraries
    before = product_rate()
    with profile(activities=[ProfilerActivity.CPU]) as prof:
        start = time.perf_counter()
        model.encoder.level_features(pyramid, voxels.feat)
        seconds = time.perf_counter() - start
    rate = max(before, product_rate())
    own = {event.key: event.self_cpu_time_total * 1e-6 for event in prof.key_averages()}
    spent = {part: sum(own.get(name, 0.0) for name in names) for part, names in OPERATORS.items()}
    counted = {part: 1e-9 * count for part, count in operations(pyramid, model.config.encoder).items()}
    print(
        f"{gaussians:,} Gaussians, {len(voxels):,} voxels, {threads} thread(s), torch.mm {rate:.0f} GF/s, geometry "
        f"{geometry:.2f} s\n"
    )
    print("| part | GFLOP | seconds | GF/s | share of torch.mm |\n|---|---|---|---|---|")
    for part in OPERATORS:
        print(_line(part, counted[part], spent[part], rate))
    print(f"| norms, gathers, pooling, sums | | {seconds - sum(spent.values()):.2f} | | |")
    print(_line("all", sum(counted.values()), seconds, rate))


def _line(part: str, done: float, seconds: float, rate: float) -> str:
    return f"| {part} | {done:.0f} | {seconds:.2f} | {done / seconds:.0f} | {done / seconds / rate:.0%} |"


class Measured(NamedTuple):
    gaussians: int
    voxels: int
    seconds: float
    cpu: float  # seconds
    peak: float  # GiB of the process


def model_of(name: str, outputs: tuple[str, ...]) -> SceneModel:
    """A preset with the heads among the outputs, as wide as the released ones."""
    width = 4 * size_of(name).width
    heads = {role: HeadConfig(channels=HEADS[role], width=width) for role in outputs if role in HEADS}
    torch.manual_seed(0)
    return SceneModel(ModelConfig(encoder=size_of(name), inputs=InputConfig(grid_size=0.02), heads=heads))


def measure(
    scene: GaussianScene, name: str, outputs: tuple[str, ...], files: bool, threads: int, max_rows: int
) -> Measured:
    """One run, voxels and all, from the scene to its features."""
    torch.set_num_threads(threads)
    encoder = SceneEncoder(model_of(name, outputs), max_rows=max_rows)
    voxels = len(voxelize(scene, encoder.config.inputs))
    with tempfile.TemporaryDirectory() as folder:
        start, cpu = time.perf_counter(), time.process_time()
        if files:
            encoder.encode_to_files(scene, {output: Path(folder) / output for output in outputs}, progress=False)
        else:
            encoder.encode(scene, outputs=outputs, progress=False)
        seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return Measured(len(scene), voxels, seconds, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def agreement(scene: GaussianScene, name: str, *, max_rows: int) -> tuple[int, float, float]:
    """(tiles, mean cosine, 1 % quantile of the cosine) of up-cast features in tiles and in one piece."""
    model = model_of(name, ())
    grid = voxelize(scene, model.config.inputs).grid
    tiled, whole = (
        SceneEncoder(model, max_rows=rows).encode(scene, outputs=("upcast",), progress=False).upcast
        for rows in (max_rows, len(grid))
    )
    cosine = torch.nn.functional.cosine_similarity(tiled, whole, dim=1)
    cell = 2 ** (len(model.config.encoder.depths) - 1)
    return len(cut(grid, max_rows=max_rows, cell=cell, halo=0)), float(cosine.mean()), float(cosine.quantile(0.01))


def room_of(scene: Path | None, capture: Path | None) -> GaussianScene:
    """The room that the options name."""
    if capture:
        return captured_room(capture)
    return read_scene(scene) if scene else drawn_room()


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"size": size, "tiles": tiles, "parts": parts})
