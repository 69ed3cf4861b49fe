"""Run every op while its memory is refused, request by request; prints a JSON object: op -> how often it was refused.

Started by test_short_of_memory.py with the shim preloaded. An op that does not end in MemoryError each time, or that
answers otherwise afterwards than before, ends this process with a message; one that throws where nothing may be thrown
ends it by itself.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import torch

import chorus_kernels as ck
from benchmarks.scenes import camera, room

N, SIDE = 20_000, 96
_shim = ctypes.CDLL(None)


def gradient(run: Callable, *leaves: torch.Tensor) -> Callable:
    """Of a sum of what ``run`` gives, with respect to its leaves; the forward pass is made before memory runs short."""
    leaves = tuple(leaf.clone().requires_grad_() for leaf in leaves)
    out = run(*leaves)
    total = torch.stack([x.float().square().sum() for x in _tensors(out)]).sum()
    return lambda: torch.autograd.grad(total, leaves, retain_graph=True)


def ops() -> dict[str, Callable]:
    """Each op, as a call without arguments that may be made again and again."""
    draw = torch.Generator().manual_seed(0)
    means, quats, scales, opacities, colors = room(N)
    shape, view = (means, quats, scales, opacities), camera(SIDE)
    features = torch.rand(N, 20, generator=draw)
    weights = ck.patch_weights(*shape, view, patch_rows=8, patch_cols=8)
    patches = torch.randn(64, 40, generator=draw)
    side = torch.arange(25, dtype=torch.int32)
    grid = torch.cartesian_prod(side, side, side)
    batch = torch.zeros(len(grid), dtype=torch.int64)
    table, x = ck.neighbors(grid, batch), torch.randn(len(grid), 16, generator=draw)
    weight = torch.randn(24, 3, 3, 3, 16, generator=draw)
    ends = torch.arange(0, len(grid) + 1, 5)
    runs = torch.arange(400 * 11, dtype=torch.int32)
    codes = torch.randint(0, 256, (400 * 1024,), generator=draw, dtype=torch.uint8)
    qkv, rows = torch.randn(4000, 3, 2, 16, generator=draw), torch.arange(4000).view(2, -1)
    a, b = torch.rand(2, 2, 80, 90, 3, generator=draw).unbind()

    def rendered(means, quats, scales, opacities, colors):
        out = ck.rasterize(means, quats, scales, opacities, colors, view)
        return out.colors, out.depths, out.alphas

    return {
        "rasterize": lambda: rendered(*shape, colors),
        "rasterize features": lambda: rendered(*shape, features),
        "rasterize backward": gradient(rendered, *shape, colors),
        "rasterize features backward": gradient(rendered, *shape, features),
        "patch_weights": lambda: ck.patch_weights(*shape, view, patch_rows=9, patch_cols=9).values,
        "lift": lambda: ck.lift(weights, patches),
        "render_features": lambda: ck.render_features(weights, features),
        "neighbors": lambda: ck.neighbors(grid, batch),
        "decode_rows": lambda: ck.decode_rows(codes, 0, runs, 400, 1024),
        "curve_codes": lambda: ck.curve_codes(grid, batch, "hilbert"),
        "submanifold_conv": lambda: ck.submanifold_conv(x, weight, table),
        "submanifold_conv backward": gradient(lambda f, w: ck.submanifold_conv(f, w, table), x, weight),
        "segment_reduce": lambda: ck.segment_reduce(x, ends, "max"),
        "segment_reduce backward": gradient(lambda f: ck.segment_reduce(f, ends, "mean"), x),
        "window_attention": lambda: ck.window_attention(qkv, rows),
        "window_attention backward": gradient(lambda q: ck.window_attention(q, rows), qkv),
        "ssim": lambda: ck.ssim(a, b),
        "ssim backward": gradient(lambda p: ck.ssim(p, b), a),
    }


def refusals(name: str, run: Callable) -> int:
    """How many requests were refused before the op had what it needs. Blocks that it got are kept and used again."""
    for granted in range(10_000):
        _shim.grant(ctypes.c_long(granted))
        try:
            out = run()
        except MemoryError:
            continue
        finally:
            _shim.grant(ctypes.c_long(-1))
        again = run()
        same = all(map(torch.equal, *map(_tensors, (out, again))))
        if not same:
            raise AssertionError(f"{name}: other numbers after memory was short")
        return granted
    raise AssertionError(f"{name}: never enough")


def in_new_thread(name: str, run: Callable) -> int:
    """Blocks are kept by the thread that got them: in a new one an op finds none that another left."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(refusals, name, run).result()


def _tensors(out: object) -> tuple[torch.Tensor, ...]:
    return out if isinstance(out, tuple) else (out,)  # type: ignore[return-value]


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    print(json.dumps({name: in_new_thread(name, run) for name, run in ops().items()}))
