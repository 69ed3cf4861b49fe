"""Seconds and memory against the number of Gaussians: ``python -m chorus.encoder.benchmark --preset base --sizes
50000,200000``.

The scene is a house made of one room (--capture, --scene, or a furnished box drawn here), each size in a process of its
own, so that peak memory is its own. Outputs named with --files go to files block by block, as ``chorus encode`` writes
them; others stay in memory. Random weights: time does not depend on them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import torch

from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel
from chorus.encoder.encode import MAX_ROWS, SceneEncoder
from chorus.encoder.house import captured_room, drawn_room, house
from chorus.encoder.inputs import InputConfig, voxelize
from chorus.encoder.model import preset
from chorus.scene import GaussianScene

HEADS = {"lang": 1152, "dino": 1024}  # channels of the released heads


class Measured(NamedTuple):
    gaussians: int
    voxels: int
    seconds: float
    cpu: float  # seconds
    peak: float  # GiB of the process


def model_of(name: str, outputs: tuple[str, ...]) -> SceneModel:
    """A preset with the heads among the outputs, as wide as the released ones."""
    heads = {role: HeadConfig(channels=HEADS[role], width=4 * preset(name).width) for role in outputs if role in HEADS}
    torch.manual_seed(0)
    return SceneModel(ModelConfig(encoder=preset(name), inputs=InputConfig(grid_size=0.02), heads=heads))


def measure(
    scene: GaussianScene, name: str, outputs: tuple[str, ...], *, files: bool, threads: int, max_rows: int
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
    from chorus.encoder.tiling import cut

    model = model_of(name, ())
    grid = voxelize(scene, model.config.inputs).grid
    tiled, whole = (
        SceneEncoder(model, max_rows=rows).encode(scene, outputs=("upcast",), progress=False).upcast
        for rows in (max_rows, len(grid))
    )
    cosine = torch.nn.functional.cosine_similarity(tiled, whole, dim=1)
    cell = 2 ** (len(model.config.encoder.depths) - 1)
    return len(cut(grid, max_rows=max_rows, cell=cell, halo=0)), float(cosine.mean()), float(cosine.quantile(0.01))


def main() -> None:
    """Read the command line, measure, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="base")
    parser.add_argument("--sizes", default="50000,100000,200000,500000,1000000,1500000")
    parser.add_argument("--outputs", default="tokens,upcast")
    parser.add_argument(
        "--files", action="store_true", help="write outputs to files block by block instead of keeping them"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--max-rows", type=int, default=MAX_ROWS, help="voxels of a tile")
    parser.add_argument(
        "--compare", action="store_true", help="instead of a table: do features in tiles agree with those in one piece?"
    )
    parser.add_argument("--scene", default=None, help="a scene file: the room")
    parser.add_argument("--capture", default=None, help="a folder of RGB-D frames: the room")
    options = parser.parse_args()
    room = room_of(options)
    sizes, outputs = [int(size) for size in options.sizes.split(",")], tuple(options.outputs.split(","))
    if options.compare:
        torch.set_num_threads(options.threads)
        for size in sizes:
            tiles, mean, low = agreement(house(size, room), options.preset, max_rows=options.max_rows)
            print(f"{size:,} Gaussians in {tiles} tiles: mean cosine {mean:.4f}, 1 % of them below {low:.4f}")
        return
    print(
        "| Gaussians | voxels | seconds | CPU seconds | CPU microseconds a voxel | peak GiB |\n|---|---|---|---|"
        "---|---|"
    )
    for size in sizes:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            limits = {"files": options.files, "threads": options.threads, "max_rows": options.max_rows}
            found = pool.apply(measure, (house(size, room), options.preset, outputs), limits)
        each = 1e6 * found.cpu / found.voxels
        print(
            f"| {found.gaussians:,} | {found.voxels:,} | {found.seconds:.1f} | {found.cpu:.1f} | {each:.0f} | "
            f"{found.peak:.1f} |",
            flush=True,
        )


def room_of(options: argparse.Namespace) -> GaussianScene:
    """The room the options name."""
    if options.capture:
        return captured_room(Path(options.capture))
    if options.scene:
        from chorus.io import read_scene

        return read_scene(options.scene)
    return drawn_room()


if __name__ == "__main__":
    main()
