"""Fitting on the stand-in: no mix, no step that reads the device, and the scene the CPU would fit."""

import torch

from chorus.params import FitParams
from chorus.splat.artifact import save_gaussians
from chorus.splat.fit import fit_scene
from tests.placement import standin


def params(iterations: int) -> FitParams:
    return FitParams(max_gaussians=80, iterations=iterations, max_gaussians_real=80, iterations_real=iterations)


def test_a_fit_comes_out_as_on_the_cpu(device, room, tmp_path):
    results = [fit_scene(room, params(60), seed=0, device=where) for where in ("cpu", device)]
    assert all(tensor.device.type == "cpu" for tensor in results[1].scene.tensors().values())
    here, there = (result.metrics for result in results)
    assert abs(here["psnr_blind_heldout"] - there["psnr_blind_heldout"]) < 1.0
    save_gaussians(tmp_path, results[1], room)
    assert (tmp_path / "labels.npz").exists()


def test_steps_read_nothing(device, room):
    told = []

    def progress(iteration, _):
        told.append(dict(torch.ops.standin.counts()))

    fit_scene(room, params(40), seed=0, device=device, progress=progress)  # too short for a refinement
    first, last = told[0], told[-1]
    assert standin.host_reads(last) == standin.host_reads(first), (first, last)
    assert len(told) == 2
