"""The rows of the table of the kernels in groups; a group is measured as a whole."""

from collections.abc import Callable, Iterator

from benchmarks.rows.attention import attention
from benchmarks.rows.fitting import fitting
from benchmarks.rows.goals import goal
from benchmarks.rows.machine import instruction_sets, threads
from benchmarks.rows.patches import lifting, render_and_distill
from benchmarks.rows.raster import features, rasterizing, similarity
from benchmarks.rows.voxels import codes, curves, voxels
from benchmarks.table import Row

GROUPS: dict[str, Callable[[], Iterator[Row]]] = {
    "rasterize-20k": lambda: rasterizing(20_000, 256, ratios=(45, goal(70, 60)), limits=(13, 28), repeats=3),
    "rasterize-100k": lambda: rasterizing(100_000, 512, ratios=(50, 90), limits=(65, 130), repeats=1),
    "features-64": lambda: features(64, 18, 2),
    "features-768": lambda: features(768, 8, 1),
    "lift": lifting,
    "render-and-distill": render_and_distill,
    "voxels": voxels,
    "curves": curves,
    "codes": codes,
    "attention": attention,
    "ssim": similarity,
    "fit": fitting,
    "instruction-sets": instruction_sets,
    "threads": threads,
}
SLOW = ("rasterize-100k", "features-768")  # their peers take most of the time
