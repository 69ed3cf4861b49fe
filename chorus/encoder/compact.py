"""A trained model made small, to be shipped: the words alone, half precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from chorus.encoder.checkpoint import HeadConfig, SceneModel
from chorus.errors import InputError


@torch.no_grad()
def compact(model: SceneModel, *, roles: Sequence[str] = ("lang",)) -> SceneModel:
    """A copy in half precision with the heads of some roles, each teacher's space folded into its head's last layer.

    x~ = W h + b and x = x~ M + mean give x = (M^T W) h + (b M + mean), so nothing is lost but the last digits and the
    way back to the standardised space, which only training reads. Raises InputError for a role the model lacks.
    """
    missing = [role for role in roles if role not in model.heads]
    if missing or not roles:
        there = ", ".join(model.heads) or "none"
        raise InputError("model", expected=f"heads among {there}", got=", ".join(missing) or "none")
    config = dataclasses.replace(model.config, heads={role: _folded(model.config.heads[role]) for role in roles})
    small = SceneModel(config)
    small.encoder.load_state_dict(model.encoder.state_dict())
    for role in roles:
        small.heads[role].load_state_dict(model.heads[role].state_dict())
        if role in model.spaces:
            last, space = cast(nn.Linear, small.head(role)[3]), model.space(role)
            last.bias.copy_(last.bias @ space.matrix + space.mean)
            last.weight.copy_(space.matrix.T @ last.weight)
    return small.half().eval()


def _folded(head: HeadConfig) -> HeadConfig:
    return dataclasses.replace(head, folded=True)
