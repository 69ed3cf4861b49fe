"""Seconds and memory against the number of Gaussians: ``python -m chorus.encoder.benchmark --preset base --sizes 50000,200000``.

The scene is a house: one scene (--scene, or a furnished box drawn here) tiled and jittered to the size asked for, each size in a
process of its own, so that peak memory is its own. Random weights: time does not depend on them.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import time

import torch

from chorus.encoder.checkpoint import HeadConfig, ModelConfig, SceneModel
from chorus.encoder.encode import SceneEncoder
from chorus.encoder.inputs import InputConfig, voxelise
from chorus.encoder.model import preset
from chorus.scene import GaussianScene

LANG = 1152  # channels of the language head


def house(count: int, source: GaussianScene, *, pitch: float = 0.3) -> GaussianScene:
    """``count`` Gaussians: copies of the source side by side on a square, each jittered by a centimetre."""
    copies = -(-count // len(source))
    side = int(copies**0.5 + 0.999)
    draw = torch.Generator().manual_seed(0)
    size = source.means.amax(dim=0) - source.means.amin(dim=0) + pitch
    copy = torch.arange(count) // len(source)
    scene = source.select(torch.arange(count) % len(source))
    offset = torch.stack([copy % side, copy // side, torch.zeros_like(copy)], dim=1) * size
    return GaussianScene(**{**scene.tensors(), "means": scene.means + offset + 0.01 * torch.randn(count, 3, generator=draw)})


def box(count: int = 100_000) -> GaussianScene:
    """A 5 x 4 x 2.6 m room with boxes in it, Gaussians on all surfaces."""
    draw = torch.Generator().manual_seed(1)
    low, high = torch.tensor([0.0, 0, 0]), torch.tensor([5.0, 4.0, 2.6])
    lows = torch.cat([low[None], torch.rand(7, 3, generator=draw) * torch.tensor([4.0, 3.0, 0.0])])
    highs = torch.cat([high[None], lows[1:] + 0.3 + torch.rand(7, 3, generator=draw) * 0.8])
    which = torch.multinomial(torch.tensor([8.0] + [1.0] * 7), count, replacement=True, generator=draw)
    means = lows[which] + torch.rand(count, 3, generator=draw) * (highs - lows)[which]
    axis, side = torch.randint(3, (count,), generator=draw), torch.randint(2, (count,), generator=draw)
    rows = torch.arange(count)
    means[rows, axis] = torch.where(side == 0, lows[which, axis], highs[which, axis])
    normal = torch.randn
    return GaussianScene(
        means=means, quats=normal(count, 4, generator=draw), log_scales=normal(count, 3, generator=draw) * 0.3 - 4.2,
        opacity_logits=normal(count, generator=draw), sh=normal(count, 1, 3, generator=draw),
    )  # fmt: skip


def measure(size: int, name: str, outputs: tuple[str, ...], threads: int, path: str | None) -> tuple[int, int, float, float, float]:
    """(Gaussians, voxels, seconds, CPU seconds, GiB at the peak)."""
    torch.set_num_threads(threads)
    if path:
        from chorus.io import read_scene

        source = read_scene(path)
    else:
        source = box()
    heads = {"lang": HeadConfig(channels=LANG, width=4 * preset(name).width)} if "lang" in outputs else {}
    encoder = SceneEncoder(SceneModel(ModelConfig(encoder=preset(name), inputs=InputConfig(grid_size=0.02), heads=heads)))
    scene = house(size, source)
    voxels = len(voxelise(scene, encoder.config.inputs))
    start, cpu = time.perf_counter(), time.process_time()
    encoder.encode(scene, outputs=outputs)
    return size, voxels, time.perf_counter() - start, time.process_time() - cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="base")
    parser.add_argument("--sizes", default="50000,200000,500000,1000000")
    parser.add_argument("--outputs", default="tokens,upcast")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scene", default=None, help="a scene file to tile instead of a box")
    options = parser.parse_args()
    print("| Gaussians | voxels | seconds | CPU seconds | peak GiB |\n|---|---|---|---|---|")
    for size in map(int, options.sizes.split(",")):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            job = (size, options.preset, tuple(options.outputs.split(",")), options.threads, options.scene)
            gaussians, voxels, seconds, cpu, peak = pool.apply(measure, job)
        print(f"| {gaussians:,} | {voxels:,} | {seconds:.1f} | {cpu:.1f} | {peak:.1f} |", flush=True)


if __name__ == "__main__":
    main()
