"""The same bits on every run and on any number of threads; nearly the same on every instruction set."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from chorus_kernels import (
    decode_rows,
    lift,
    neighbors,
    patch_weights,
    rasterize,
    reference,
    render_features,
    segment_reduce,
    ssim,
    submanifold_conv,
    window_attention,
)
from tests.kernels.scenes import random_scene, relative
from tests.kernels.test_codes import coded_chunk
from tests.kernels.test_voxels import random_voxels

ROOT = Path(__file__).parents[2]


def everything() -> dict[str, torch.Tensor]:
    """Outputs and gradients of every op on fixed inputs."""
    out = {}
    for channels in (3, 37):
        scene = random_scene(1, 500, width=70, height=50, channels=channels, views=2, size=0.1)
        leaves = [x.clone().requires_grad_() for x in (*scene.shape, scene.colors)]
        absgrad = torch.zeros(500, 2)
        result = rasterize(*leaves, scene.views, absgrad=absgrad)
        g = torch.Generator().manual_seed(2)
        torch.autograd.backward(result[:3], [torch.randn(x.shape, generator=g) for x in result[:3]])
        out |= {f"{name} {channels}": x for name, x in zip(result._fields, result, strict=True)}
        out |= {f"gradient {i} {channels}": x.grad for i, x in enumerate(leaves)} | {f"absgrad {channels}": absgrad}
    weights = patch_weights(*scene.shape, scene.views, patch_rows=7, patch_cols=9)
    out["weights"] = weights.values
    out["lift"] = lift(weights, torch.linspace(-1, 1, weights.shape[1] * 40).view(-1, 40).contiguous())
    out["render"] = render_features(weights, torch.linspace(-1, 1, 500 * 40).view(-1, 40).contiguous())
    grid, batch = random_voxels(3, 2000, 14, 2)
    table = neighbors(grid, batch)
    feat = torch.linspace(-1, 1, len(grid) * 20).view(-1, 20).contiguous().requires_grad_()
    weight = torch.linspace(-1, 1, 24 * 27 * 20).view(24, 3, 3, 3, 20).contiguous().requires_grad_()
    conv = submanifold_conv(feat, weight, table)
    conv.square().sum().backward()
    out |= {"table": table, "conv": conv, "conv feat": feat.grad, "conv weight": weight.grad}
    qkv = torch.linspace(-4, 4, 900 * 3 * 2 * 16).sin().view(900, 3, 2, 16).contiguous().requires_grad_()
    rows = torch.stack([torch.arange(600), torch.arange(300, 900)])
    unread = torch.stack([torch.zeros(600, dtype=torch.bool), torch.arange(600) < 300])
    attention = window_attention(qkv, rows, unread=unread)
    attention.square().sum().backward()
    out |= {"attention": attention, "attention gradient": qkv.grad}
    out["coded rows"] = decode_rows(*coded_chunk(4, axes=70, rows=256))
    out["segments"] = segment_reduce(feat, torch.arange(0, len(grid) + 1, 1), "max")
    image = torch.linspace(0, 1, 40 * 30 * 3).view(1, 40, 30, 3).contiguous().requires_grad_()
    similarity = ssim(image, image.detach().flip(1).contiguous())
    similarity.backward()
    return out | {"ssim": similarity, "ssim gradient": image.grad}


def digests(values: dict[str, torch.Tensor]) -> dict[str, str]:
    return {k: hashlib.sha256(v.detach().contiguous().numpy().tobytes()).hexdigest() for k, v in values.items()}


def test_bits_depend_neither_on_the_run_nor_on_the_threads():
    first = digests(everything())
    assert digests(everything()) == first
    try:
        for threads in (2, 3):
            torch.set_num_threads(threads)
            assert digests(everything()) == first, f"{threads} threads"
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("depths", [1, 3])
def test_equal_depths_keep_the_order_of_the_rows_on_any_number_of_threads(depths):
    scene = random_scene(4, 400, width=40, height=30)
    scene.views.viewmats[:] = torch.eye(4)
    scene.means[:, 2] = 2.0 + torch.arange(400) % depths
    want = reference.rasterize(*(x.double() for x in (*scene.shape, scene.colors)), scene.double().views).colors
    try:
        for threads in (1, 2, 3, 7):
            torch.set_num_threads(threads)
            assert relative(rasterize(*scene.shape, scene.colors, scene.views).colors, want) < 1e-4, (
                f"{threads} threads"
            )
    finally:
        torch.set_num_threads(1)


SCRIPT = """
import json, torch
from chorus_kernels.dispatch import native
from tests.kernels.test_reproducible import everything
torch.set_num_threads(1)
values = {k: v.double().flatten().tolist()[:400] for k, v in everything().items()}
print(json.dumps({"isa": native().isa, "values": values}))
"""


@pytest.mark.parametrize("isa", ["sse42", "avx2", "avx512"])
def test_builds_for_other_machines_agree(isa):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env={**os.environ, "CHORUS_ISA": isa}, capture_output=True, text=True
    )
    if "no build for this machine" in done.stderr:
        pytest.skip(f"this machine has no {isa}")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["isa"] == isa
    for name, value in everything().items():
        want = value.detach().double().flatten()[:400]
        got = torch.tensor(result["values"][name], dtype=torch.float64)
        assert torch.allclose(got, want, rtol=1e-4, atol=1e-5 * max(1.0, want.abs().max().item())), name


def test_an_unknown_instruction_set_is_named():
    done = subprocess.run(
        [sys.executable, "-c", "from chorus_kernels.dispatch import native; native()"],
        env={**os.environ, "CHORUS_ISA": "mmx"},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and "mmx" in done.stderr and "CHORUS_KERNELS=reference" in done.stderr


def test_the_reference_runs_when_asked_for(monkeypatch):
    scene = random_scene(1, 20)
    native = rasterize(*scene.shape, scene.colors, scene.views)
    monkeypatch.setenv("CHORUS_KERNELS", "reference")
    assert torch.allclose(rasterize(*scene.shape, scene.colors, scene.views).colors, native.colors, atol=1e-5)
    monkeypatch.setenv("CHORUS_KERNELS", "fast")
    with pytest.raises(ValueError, match="expected 'native' or 'reference'"):
        rasterize(*scene.shape, scene.colors, scene.views)
