"""GF/s of the encoder by part: ``python -m chorus.encoder.speed --preset base --size 100000``.

Seconds are the profiler's own seconds of each operator, operations are counted from the shapes (a multiply and an add
are two), and the share is of what torch's own matrix product (2048 x 2048, float32) reaches before and after in the
same process.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch.profiler import ProfilerActivity, profile

from chorus.encoder.benchmark import model_of, room_of
from chorus.encoder.curves import Pyramid
from chorus.encoder.house import house
from chorus.encoder.inputs import voxelize
from chorus.encoder.model import EncoderConfig

OPERATORS = {
    "dense layers": ("mkldnn::_linear_pointwise", "aten::addmm", "aten::mm"),
    "attention": ("aten::_scaled_dot_product_flash_attention_for_cpu", "aten::_scaled_dot_product_attention_math"),
    "convolution": ("_Conv",),
}


def operations(pyramid: Pyramid, config: EncoderConfig) -> dict[str, float]:
    """Floating-point operations of each part; what windows repeat and masks hide is counted as done."""
    rows = [len(level.grid) for level in pyramid.levels]
    dense = 2.0 * rows[0] * config.in_channels * config.channels[0]
    attention = convolution = 0.0
    for i, (level, c, depth) in enumerate(zip(pyramid.levels, config.channels, config.depths, strict=True)):
        if i > 0:
            dense += 2.0 * rows[i - 1] * config.channels[i - 1] * c
        dense += depth * 2.0 * rows[i] * c * c * (5 + 2 * config.mlp_ratio)  # position, qkv, projection, MLP
        for block in range(depth):
            windows, size = level.windows[block % len(level.windows)].rows.shape
            attention += 4.0 * windows * size * size * c
            convolution += 2.0 * c * c * (0 if level.table is None else int((level.table >= 0).sum()))
    return {"dense layers": dense, "attention": attention, "convolution": convolution}


def product_rate(size: int = 2048, repeats: int = 5) -> float:
    """GF/s of torch's matrix product, the best of some."""
    a = torch.randn(size, size)
    torch.mm(a, a)
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        torch.mm(a, a)
        best = min(best, time.perf_counter() - start)
    return 2e-9 * size**3 / best


@torch.no_grad()
def main() -> None:
    """Read the command line, measure, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--preset", default="base")
    parser.add_argument("--size", type=int, default=100_000, help="Gaussians")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scene", default=None, help="a scene file: the room")
    parser.add_argument("--capture", default=None, help="a folder of RGB-D frames: the room")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    model = model_of(options.preset, ())
    voxels = voxelize(house(options.size, room_of(options)), model.config.inputs)
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
    counted = operations(pyramid, model.config.encoder)
    print(
        f"{options.size:,} Gaussians, {len(voxels):,} voxels, {options.threads} thread(s), torch.mm {rate:.0f} "
        f"GF/s, geometry {geometry:.2f} s\n"
    )
    print("| part | GFLOP | seconds | GF/s | share of torch.mm |\n|---|---|---|---|---|")
    parts = {part: sum(own.get(name, 0.0) for name in names) for part, names in OPERATORS.items()}
    for part, spent in parts.items():
        print(
            f"| {part} | {counted[part] * 1e-9:.0f} | {spent:.2f} | {counted[part] * 1e-9 / spent:.0f} | "
            f"{counted[part] * 1e-9 / spent / rate:.0%} |"
        )
    total = sum(counted.values()) * 1e-9
    print(f"| norms, gathers, pooling, sums | | {seconds - sum(parts.values()):.2f} | | |")
    print(f"| all | {total:.0f} | {seconds:.2f} | {total / seconds:.0f} | {total / seconds / rate:.0%} |")


if __name__ == "__main__":
    main()
