"""Native ops for Gaussian-splat scenes on the CPU, each with a torch twin in `chorus_kernels.reference`.

Tensors in, tensors out, differentiable where it makes sense. `CHORUS_KERNELS=reference` runs the twins instead of the
native build; nothing falls back silently.
"""

from chorus_kernels.attention import window_attention
from chorus_kernels.codes import decode_rows
from chorus_kernels.conv import submanifold_conv
from chorus_kernels.patches import lift, patch_weights, render_features
from chorus_kernels.raster import rasterize
from chorus_kernels.results import PatchWeights, Rasterized
from chorus_kernels.segments import segment_reduce
from chorus_kernels.sparse import spmm, spmm_t
from chorus_kernels.ssim import ssim
from chorus_kernels.views import Views
from chorus_kernels.voxels import curve_codes, neighbors

__all__ = [
    "PatchWeights",
    "Rasterized",
    "Views",
    "curve_codes",
    "decode_rows",
    "lift",
    "neighbors",
    "patch_weights",
    "rasterize",
    "render_features",
    "segment_reduce",
    "spmm",
    "spmm_t",
    "ssim",
    "submanifold_conv",
    "window_attention",
]
