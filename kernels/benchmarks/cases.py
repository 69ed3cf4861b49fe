"""The rows of the benchmark in groups; a group is measured as a whole."""

from collections.abc import Callable, Iterator

from cases_machine import instruction_sets, threads
from cases_patches import lifting, render_and_distill
from cases_raster import features, rasterizing, similarity
from cases_voxels import curves, voxels
from fitting import fitting
from timing import Row

GROUPS: dict[str, Callable[[], Iterator[Row]]] = {
    "rasterize-20k": lambda: rasterizing(20_000, 256, ratios=(45, 70), limits=(13, 28), repeats=3),
    "rasterize-100k": lambda: rasterizing(100_000, 512, ratios=(50, 90), limits=(65, 130), repeats=1),
    "features-64": lambda: features(64, 18, 2),
    "features-768": lambda: features(768, 8, 1),
    "lift": lifting,
    "render-and-distill": render_and_distill,
    "voxels": voxels,
    "curves": curves,
    "ssim": similarity,
    "fit": fitting,
    "instruction-sets": instruction_sets,
    "threads": threads,
}
SLOW = ("rasterize-100k", "features-768")  # their peers take most of the time
