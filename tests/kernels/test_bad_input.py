"""Wrong arguments end in a ValueError that says where, what was expected and what came."""

from dataclasses import replace

import pytest
import torch

from chorus_kernels import (
    Views,
    curve_codes,
    decode_rows,
    neighbors,
    patch_weights,
    rasterize,
    segment_reduce,
    spmm,
    ssim,
    submanifold_conv,
)
from tests.kernels.scenes import random_scene

NAN = float("nan")


def call(**changes):
    return rasterize(**{**vars(random_scene(0, 6)), **changes})


RASTERIZE = {
    "float64": ({"means": torch.zeros(6, 3, dtype=torch.float64)}, "means must be float32, got float64"),
    "shape": ({"quats": torch.zeros(6, 3)}, r"quats must have shape \[6, 4\], got \[6, 3\]"),
    "count": ({"opacities": torch.zeros(5)}, r"opacities must have shape \[6\]"),
    "strided": ({"means": torch.zeros(3, 6).T}, "means must be contiguous"),
    "nan": ({"scales": torch.full((6, 3), NAN)}, "scales has a NaN"),
    "infinite": ({"colors": torch.full((6, 3), float("inf"))}, "colors has a NaN or an infinity"),
    "numpy": ({"means": torch.zeros(6, 3).numpy()}, "means must be a torch.Tensor, got ndarray"),
    "background": ({"backgrounds": torch.zeros(3)}, "backgrounds must have shape"),
    "sh": ({"sh_degree": 3, "colors": torch.zeros(6, 9, 3)}, "at least 16 coefficients"),
    "degree": ({"sh_degree": 4, "colors": torch.zeros(6, 25, 3)}, "sh_degree must be one of"),
    "channels": ({"colors": torch.zeros(6, 0)}, "at least one channel"),
    "float64 views": ({"views": random_scene(0, 6).views.to(torch.float64)}, "viewmats must be float32, got float64"),
    "blur": ({"eps2d": 0.0}, "eps2d must be positive"),
    "meta": ({"means": torch.zeros(6, 3, device="meta")}, "must be on the CPU"),
}


@pytest.mark.parametrize("case", RASTERIZE)
def test_rasterize(case):
    changes, message = RASTERIZE[case]
    with pytest.raises(ValueError, match=message):
        call(**changes)


VIEWS = {
    "size": ({"width": 0}, "width must be a whole number"),
    "float size": ({"height": 4.0}, "height must be a whole number"),
    "count": ({"Ks": torch.zeros(2, 3, 3)}, r"Ks must have shape \[1, 3, 3\]"),
    "one pose": ({"viewmats": torch.eye(4)}, r"viewmats must have shape \[V, 4, 4\], got \[4, 4\]"),
    "mixed": ({"Ks": torch.eye(3, dtype=torch.float64)[None]}, "Ks must be float32, got float64"),
    "half": ({"viewmats": torch.eye(4).half()[None]}, "viewmats must be float32 or float64, got float16"),
    "numpy": ({"viewmats": torch.eye(4)[None].numpy()}, "viewmats must be a torch.Tensor, got ndarray"),
    "strided": ({"viewmats": torch.eye(4)[None].mT}, "viewmats must be contiguous"),
    "focal": ({"Ks": torch.zeros(1, 3, 3)}, "positive focal lengths"),
    "skew": ({"Ks": torch.tensor([[[10.0, 1, 5], [0, 10, 5], [0, 0, 1]]])}, "no skew"),
    "near": ({"near_plane": 0.0}, "near_plane must be positive"),
    "far": ({"far_plane": NAN}, "far_plane must be positive"),
}


@pytest.mark.parametrize("case", VIEWS)
def test_views(case):
    changes, message = VIEWS[case]
    with pytest.raises(ValueError, match=f"Views: .*{message}"):
        replace(random_scene(0, 6).views, **changes)


def patches(**changes):
    scene = random_scene(0, 6)
    return patch_weights(*scene.shape, **{"views": scene.views, "patch_rows": 2, "patch_cols": 2, **changes})


ints = torch.tensor


def words(values: list[int]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.int32)


def codes(count: int) -> torch.Tensor:
    return torch.zeros(count, dtype=torch.uint8)


OTHERS = {
    "footprint": (lambda: patches(footprint="cubic"), "footprint must be one of 'bilinear', 'box'"),
    "many columns": (lambda: patches(patch_rows=2**16, patch_cols=2**15), "at most 2\\^31 - 1 columns, got 1 views"),
    "no patches": (lambda: patches(patch_rows=0), "patch_rows must be positive"),
    "csr end": (
        lambda: spmm(ints([0, 2]), ints([0], dtype=torch.int32), torch.ones(1), torch.ones(1, 1)),
        "indptr must run from 0",
    ),
    "csr column": (
        lambda: spmm(ints([0, 1]), ints([7], dtype=torch.int32), torch.ones(1), torch.ones(1, 1)),
        r"indices must lie in \[0, 1\)",
    ),
    "csr order": (
        lambda: spmm(ints([0, 2, 1]), ints([0], dtype=torch.int32), torch.ones(1), torch.ones(1, 1)),
        "must not decrease",
    ),
    "dense dtype": (
        lambda: spmm(ints([0]), ints([], dtype=torch.int32), torch.ones(0), torch.ones(1, 1).double()),
        "float32 or float16",
    ),
    "twice": (lambda: neighbors(ints([[1, 2, 3], [1, 2, 3]]), ints([0, 0])), "voxels must be unique"),
    "float grid": (lambda: neighbors(torch.zeros(2, 3), ints([0, 0])), "grid must be int32 or int64"),
    "far": (lambda: neighbors(ints([[2**40, 0, 0]]), ints([0])), "within 2\\^30"),
    "negative": (lambda: curve_codes(ints([[-1, 0, 0]]), ints([0]), "z"), r"grid must lie in \[0, 2\^16\)"),
    "deep": (lambda: curve_codes(ints([[1, 0, 0]]), ints([0]), "z", 22), "depth must be from 1 to 21"),
    "order": (lambda: curve_codes(ints([[1, 0, 0]]), ints([0]), "peano"), "order must be one of"),
    "batch": (lambda: curve_codes(ints([[1, 0, 0]]), ints([9]), "z", 20), "batch must lie in"),
    "runs": (lambda: decode_rows(codes(4), 0, words([2]), 1, 2), r"order must lie in \[0, 2\), got 2 to 2"),
    "rows": (lambda: decode_rows(codes(3), 0, words([0, 1]), 1, 3), "rows must be a power of two"),
    "axes": (lambda: decode_rows(codes(3), 0, words([]), 0, 2), "axes must be from 1"),
    "bytes": (lambda: decode_rows(codes(3), 0, words([0, 1]), 1, 2), "3 bytes for 2 codes, 0 of them"),
    "wide": (lambda: decode_rows(codes(3), 3, words([0, 1]), 1, 2), "3 bytes for 2 codes, 3 of them"),
    "codes": (lambda: decode_rows(ints([0, 1]), 0, words([0, 1]), 1, 2), "data must be uint8"),
    "table": (
        lambda: submanifold_conv(
            torch.ones(2, 4), torch.ones(4, 3, 3, 3, 4), torch.full((27, 2), 5, dtype=torch.int32)
        ),
        "table must hold rows",
    ),
    "weight": (
        lambda: submanifold_conv(torch.ones(2, 4), torch.ones(4, 27, 4), torch.zeros(27, 2, dtype=torch.int32)),
        "weight must have shape",
    ),
    "segments": (lambda: segment_reduce(torch.ones(3, 2), ints([0, 2]), "sum"), "indptr must run from 0 to 3"),
    "empty max": (lambda: segment_reduce(torch.ones(3, 2), ints([0, 3, 3]), "max"), "no empty segments"),
    "reduce": (lambda: segment_reduce(torch.ones(3, 2), ints([0, 3]), "median"), "reduce must be one of"),
    "images": (lambda: ssim(torch.ones(1, 4, 4, 3), torch.ones(1, 4, 5, 3)), "b must have shape"),
    "window": (lambda: ssim(torch.ones(1, 4, 4, 3), torch.ones(1, 4, 4, 3), window=4), "positive odd number"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_others(case):
    run, message = OTHERS[case]
    with pytest.raises(ValueError, match=message):
        run()


@pytest.mark.parametrize("op", [rasterize, patch_weights])
def test_more_pairs_of_splat_and_tile_than_can_be_counted(op):
    """2.6 billion pairs: an error at once, before anything of that size is walked or reserved."""
    n, side = 40_000, 4096
    means = torch.tensor([[0.0, 0.0, 3.0]]).repeat(n, 1)
    quats, opacities = torch.tensor([[1.0, 0, 0, 0]]).repeat(n, 1), torch.full((n,), 0.5)
    Ks = torch.tensor([[[side / 2.0, 0, side / 2], [0, side / 2, side / 2], [0, 0, 1]]])
    views = Views(torch.eye(4)[None], Ks, side, side)
    more = {"colors": torch.zeros(n, 3)} if op is rasterize else {"patch_rows": 2, "patch_cols": 2}
    with pytest.raises(ValueError, match="2621440000 pairs of splat and 16-pixel tile, at most 2147483648"):
        op(means, quats, torch.full((n, 3), 100.0), opacities, views=views, **more)
