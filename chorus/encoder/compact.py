"""A trained model made small, to be shipped: the words alone, half precision; and such a model made trainable again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from chorus.encoder.checkpoint import SceneModel
from chorus.encoder.heads import Space
from chorus.errors import InputError


@torch.no_grad()
def compact(model: SceneModel, *, roles: Sequence[str] = ("lang",)) -> SceneModel:
    """A copy in half precision with the heads of some roles, each teacher's space folded into its head's last layer.

    Nothing is lost but the last digits and the way back to the standardised space, which only training reads. Raises
    InputError for a role the model lacks.
    """
    missing = [role for role in roles if role not in model.heads]
    if missing or not roles:
        there = ", ".join(model.heads) or "none"
        raise InputError("model", expected=f"heads among {there}", got=", ".join(missing) or "none")
    small = SceneModel(dataclasses.replace(model.config, heads={role: model.config.heads[role] for role in roles}))
    small.encoder.load_state_dict(model.encoder.state_dict())
    for role in roles:
        small.heads[role].load_state_dict(model.heads[role].state_dict())
        if role in model.spaces:
            small.spaces[role].load_state_dict(model.spaces[role].state_dict())
            fold(small, role)
    return small.half().eval()


@torch.no_grad()
def fold(model: SceneModel, role: str) -> None:
    """Take a teacher's space into its head: x~ = W h + b and x = x~ M + mean give x = (M^T W) h + (b M + mean)."""
    last, space = cast(nn.Linear, model.head(role)[3]), model.space(role)
    matrix, mean = space.matrix.double(), space.mean.double()
    last.bias.copy_(last.bias.double() @ matrix + mean)
    last.weight.copy_(matrix.T @ last.weight.double())
    del model.spaces[role]
    _say(model, role, folded=True)


@torch.no_grad()
def unfold(model: SceneModel, role: str, matrix: Tensor, mean: Tensor) -> None:
    """The way back: a folded head that learns in the standardised space of matrix [C, C] and mean [C] again. It says
    the same; only training sees the difference."""
    last = cast(nn.Linear, model.head(role)[3])
    space = Space(len(mean)).to(last.weight.device)
    space.set(matrix, mean)
    back = torch.linalg.inv(space.matrix.double())
    last.bias.copy_((last.bias.double() - space.mean.double()) @ back)
    last.weight.copy_(back.T @ last.weight.double())
    model.spaces[role] = space
    _say(model, role, folded=False)


def _say(model: SceneModel, role: str, *, folded: bool) -> None:
    heads = model.config.heads
    head = dataclasses.replace(heads[role], folded=folded)
    model.config = dataclasses.replace(model.config, heads={**heads, role: head})
