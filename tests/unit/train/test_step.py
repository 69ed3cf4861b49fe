"""A step of the optimiser."""

import pytest
import torch

from chorus.errors import InputError
from chorus.train.step import adam, learn


def test_a_step_is_adamw_on_the_sum_with_the_gradient_cut():
    torch.manual_seed(0)
    ours, theirs = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(5, 3) * 100
    optimizer = adam(ours.parameters(), lr=0.1, weight_decay=0.05)
    y = ours(x)
    shown = learn(optimizer, {"a": y.square().mean(), "b": y.abs().mean()}, clip=1.0, where="here", fix="")
    groups = [{"params": [theirs.weight], "weight_decay": 0.05}, {"params": [theirs.bias], "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=0.1, betas=(0.9, 0.98))
    y = theirs(x)
    (y.square().mean() + y.abs().mean()).backward()
    torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
    reference.step()
    assert torch.allclose(ours.weight, theirs.weight) and torch.allclose(ours.bias, theirs.bias)
    assert shown["loss"] == pytest.approx(shown["a"] + shown["b"])


def test_a_loss_that_is_not_finite_is_named_and_changes_nothing():
    model = torch.nn.Linear(1, 1)
    before = model.weight.clone()
    loss = model(torch.ones(1, 1)).sum() * float("nan")
    with pytest.raises(InputError, match="^here: expected a finite loss, got nan. Lower it.$"):
        learn(adam(model.parameters(), lr=1.0, weight_decay=0.0), {"a": loss}, clip=1.0, where="here", fix="Lower it.")
    assert torch.equal(before, model.weight)
