"""Steps of the optimiser."""

import pytest
import torch

from chorus.train.step import GuardedSteps, adam


def model_of(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Linear(3, 2)


def backward(model, factor=1.0):
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1)) * 100
    model.zero_grad()
    loss = model(x).square().mean() * factor
    loss.backward()
    return loss.detach()


@pytest.mark.parametrize("fused", [True, False])
def test_a_step_is_adamw_with_the_gradient_cut(fused):
    ours, theirs = model_of(), model_of()
    steps = GuardedSteps(adam(ours.parameters(), lr=0.1, weight_decay=0.05, fused=fused), torch.device("cpu"))
    groups = [{"params": [theirs.weight], "weight_decay": 0.05}, {"params": [theirs.bias], "weight_decay": 0.0}]
    reference = torch.optim.AdamW(groups, lr=0.1, betas=(0.9, 0.98))
    for step in range(3):
        steps.take(step, backward(ours), clipped=[list(ours.parameters())], clip=1.0)
        backward(theirs)
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        reference.step()
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
    assert steps.bad_step() is None


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_from_the_first_that_is_not_finite_nothing_changes_and_it_is_named(fused, what):
    model = model_of()
    optimizer = adam(model.parameters(), lr=0.1, weight_decay=0.05, fused=fused)
    steps = GuardedSteps(optimizer, torch.device("cpu"))
    for step in range(2):
        steps.take(step, backward(model), clipped=[list(model.parameters())], clip=1.0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    moments = [{name: tensor.clone() for name, tensor in s.items()} for s in optimizer.state_dict()["state"].values()]
    for step in range(2, 5):  # the later ones are good again, but nobody has looked yet
        loss = backward(model)
        if step == 2 and what == "gradient":
            model.bias.grad[0] = float("nan")
        elif step == 2:
            loss = backward(model, float("inf"))
        steps.take(step, loss, clipped=[list(model.parameters())], clip=1.0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    for was, now in zip(moments, optimizer.state_dict()["state"].values(), strict=True):
        assert all(torch.equal(was[name], now[name]) for name in was)
    step, loss = steps.bad_step()
    assert step == 2 and (loss == float("inf") if what == "loss" else loss - loss == 0.0)
