"""The optimiser beside torch's own."""

import subprocess
import sys

import pytest
import torch

from chorus.train.adamw import AdamW


def grouped(tensors):
    return [{"params": tensors[:2], "weight_decay": 0.05}, {"params": tensors[2:], "weight_decay": 0.0}]


def drawn():
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in ((7, 33), (5,), (3, 2, 4), ())]


def graded(step, *many):
    """Gradients for one step, the same for every list of tensors; the second tensor has none in every third."""
    generator = torch.Generator().manual_seed(step + 1)
    for place, tensors in enumerate(zip(*many, strict=True)):
        gradient = torch.randn(tensors[0].shape, generator=generator) * 10.0 ** (step % 5 - 3)
        for tensor in tensors:
            tensor.grad = None if place == 1 and step % 3 == 0 else gradient.clone()


def same(ours, theirs):
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("betas", [(0.9, 0.98), (0.9, 0.999)])
def test_equals_torchs_to_the_bit(fused, betas):
    ours, theirs = drawn(), drawn()
    mine = AdamW(grouped(ours), lr=0.01, betas=betas, fused=fused)
    reference = torch.optim.AdamW(grouped(theirs), lr=0.01, betas=betas, fused=fused)
    for step in range(12):
        for optimizer in (mine, reference):
            optimizer.param_groups[0]["lr"] = 0.01 / (step + 1)
        graded(step, ours, theirs)
        mine.step()
        reference.step()
        same(ours, theirs)
    mine.zero_grad()
    assert all(tensor.grad is None for tensor in ours)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("begun", [AdamW, torch.optim.AdamW])
@pytest.mark.parametrize("gone_on", [AdamW, torch.optim.AdamW])
def test_either_goes_on_where_the_other_stopped(fused, begun, gone_on):
    whole, halves = drawn(), drawn()
    undisturbed, first = (make(grouped(x), lr=0.01, fused=fused) for make, x in ((AdamW, whole), (begun, halves)))
    for step in range(4):
        graded(step, whole, halves)
        undisturbed.step()
        first.step()
    second = gone_on(grouped(halves), lr=1.0, fused=fused)
    kept = first.state_dict()
    if gone_on is not begun:  # torch wants the fields it would write itself
        own = second.state_dict()["param_groups"]
        kept["param_groups"] = [{**a, **b} for a, b in zip(own, kept["param_groups"], strict=True)]
    second.load_state_dict(kept)
    for step in range(4, 8):
        graded(step, whole, halves)
        undisturbed.step()
        second.step()
    same(whole, halves)


def test_while_the_flag_is_set_nothing_changes():
    tensors = drawn()
    optimizer = AdamW(grouped(tensors), lr=0.01)
    graded(1, tensors)
    optimizer.step()
    before = [x.detach().clone() for x in tensors]
    optimizer.found_inf = torch.ones(())
    graded(2, tensors)
    optimizer.step()
    same(before, tensors)
    assert {float(state["step"]) for state in optimizer.state.values()} == {1.0}


def test_moments_of_other_parameters_are_refused():
    with pytest.raises(ValueError, match=r"expected moments of \[2, 1\] parameters, got \[2, 2\]"):
        AdamW(grouped(drawn()[:3]), lr=0.1).load_state_dict(AdamW(grouped(drawn()), lr=0.1).state_dict())


def test_no_compiler_is_imported_to_train():
    code = (
        "import sys, torch; from chorus.train.step import adam; layer = torch.nn.Linear(2, 2); "
        "optimizer = adam(layer.parameters(), lr=0.1, weight_decay=0.1); layer(torch.ones(1, 2)).sum().backward(); "
        "torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0); optimizer.step(); "
        "import chorus.distill, chorus.adapt, chorus.splat.fit; print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
