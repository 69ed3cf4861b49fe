"""Rates, groups of parameters and draws that every training shares."""

import math

import pytest
import torch

from chorus.train.adamw import AdamW
from chorus.train.schedule import generator_of, parameter_groups, scene_of_step, schedule, set_rate


def test_every_scene_once_an_epoch():
    for epoch in range(3):
        assert sorted(scene_of_step(epoch * 5 + i, 5, seed=0) for i in range(5)) == [0, 1, 2, 3, 4]


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine_to_a_hundredth():
    rates = [schedule(step, 100, 0.1) for step in range(100)]
    assert rates[:10] == pytest.approx([0.1 * (k + 1) for k in range(10)])
    assert rates[55] == pytest.approx(0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * 45 / 90)))
    assert all(a >= b for a, b in zip(rates[10:], rates[11:], strict=False)) and rates[-1] < 0.011


def test_biases_and_norms_do_not_decay_and_what_is_frozen_does_not_learn():
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2), torch.nn.Linear(2, 1))
    model[2].requires_grad_(False)
    decayed, rest = parameter_groups(model.parameters(), 0.05)
    assert [tuple(p.shape) for p in decayed["params"]] == [(2, 3)] and decayed["weight_decay"] == 0.05
    assert [tuple(p.shape) for p in rest["params"]] == [(2,), (2,), (2,)] and rest["weight_decay"] == 0.0
    optimizer = AdamW([{"params": [decayed]}, {"params": [rest]}], lr=1.0)
    set_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


def test_a_step_draws_the_same_whatever_came_before():
    first = torch.rand(3, generator=generator_of(0, 4, 17))
    torch.rand(5)
    assert torch.equal(first, torch.rand(3, generator=generator_of(0, 4, 17)))
    assert not torch.equal(first, torch.rand(3, generator=generator_of(0, 4, 18)))
    assert not torch.equal(first, torch.rand(3, generator=generator_of(1, 4, 17)))
