"""AdamW (Loshchilov and Hutter 2019) to the bit of torch.optim, which imports torch's compiler: a second and a half at
every start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

_EPS = 1e-8
# What torch.optim calls and does not export
_fused_adamw, _foreach_add, _foreach_sub = (
    getattr(torch, f"_{name}_") for name in ("fused_adamw", "foreach_add", "foreach_sub")
)


class AdamW:
    """Steps down the gradients there are; a parameter without one stays, and its moments with it.

    groups: {"params": tensors of one device and type, "weight_decay": 0 where absent, any other field}; each is given
    its own "lr". betas: of the moments. fused: torch's kernel over all tensors of a group at once, which leaves
    everything as it is while the tensor ``found_inf`` [] is 1; else tensor by tensor, in other last digits.
    ``state`` and :meth:`state_dict` are laid out as torch.optim's are.
    """

    def __init__(
        self,
        groups: Iterable[Mapping[str, Any]],
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        fused: bool = True,
    ):
        self.param_groups = [{"weight_decay": 0.0, "lr": lr, **group} for group in groups]
        self.betas, self.fused = betas, fused
        self.found_inf: Tensor | None = None
        self.state: dict[Parameter, dict[str, Tensor]] = {}

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters():
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """One step, in place."""
        for group in self.param_groups:
            learning = [p for p in group["params"] if p.grad is not None]
            moments = [self.state.get(p) or self._begin(p) for p in learning]
            if learning and self.fused:
                self._all_at_once(learning, moments, group["lr"], group["weight_decay"])
            elif learning:
                for parameter, state in zip(learning, moments, strict=True):
                    self._one(parameter, state, group["lr"], group["weight_decay"])

    def state_dict(self) -> dict[str, Any]:
        """Moments and groups, for a checkpoint."""
        places = {parameter: place for place, parameter in enumerate(self.parameters())}
        groups = [{**group, "params": [places[p] for p in group["params"]]} for group in self.param_groups]
        return {"state": {places[p]: dict(state) for p, state in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, kept: Mapping[str, Any]) -> None:
        """Go on from what :meth:`state_dict` gave, or torch.optim.AdamW's. Raises ValueError for other parameters."""
        sizes = [[len(group["params"]) for group in groups] for groups in (kept["param_groups"], self.param_groups)]
        if sizes[0] != sizes[1]:
            raise ValueError(f"expected moments of {sizes[1]} parameters, got {sizes[0]}")
        parameters = self.parameters()
        self.state = {parameters[place]: self._brought(parameters[place], s) for place, s in kept["state"].items()}
        for group, given in zip(self.param_groups, kept["param_groups"], strict=True):
            group.update(lr=given["lr"], weight_decay=given["weight_decay"])

    def parameters(self) -> list[Parameter]:
        """Those of all groups, in their order."""
        return [p for group in self.param_groups for p in group["params"]]

    def _begin(self, parameter: Parameter) -> dict[str, Tensor]:
        self.state[parameter] = {
            "step": torch.zeros((), device=parameter.device if self.fused else None),
            "exp_avg": torch.zeros_like(parameter, memory_format=torch.preserve_format),
            "exp_avg_sq": torch.zeros_like(parameter, memory_format=torch.preserve_format),
        }
        return self.state[parameter]

    def _brought(self, parameter: Parameter, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Copies of the moments where the parameter is."""
        mine = self._begin(parameter)
        for name, tensor in mine.items():
            tensor.copy_(state[name])
        return mine

    def _all_at_once(
        self, parameters: list[Parameter], moments: list[dict[str, Tensor]], lr: float, decay: float
    ) -> None:
        first, second, steps = ([state[name] for state in moments] for name in ("exp_avg", "exp_avg_sq", "step"))
        gradients = [p.grad for p in parameters]
        _foreach_add(steps, 1)
        _fused_adamw(
            parameters,
            gradients,
            first,
            second,
            [],
            steps,
            amsgrad=False,
            lr=lr,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=decay,
            eps=_EPS,
            maximize=False,
            grad_scale=None,
            found_inf=self.found_inf,
        )
        if self.found_inf is not None:
            _foreach_sub(steps, [self.found_inf] * len(steps))

    def _one(self, parameter: Parameter, state: dict[str, Tensor], lr: float, decay: float) -> None:
        gradient: Any = parameter.grad
        first, second = state["exp_avg"], state["exp_avg_sq"]
        state["step"] += 1
        past, (beta1, beta2) = state["step"].item(), self.betas
        if decay:
            parameter.mul_(1 - lr * decay)
        first.lerp_(gradient, 1 - beta1)
        second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
        denominator = (second.sqrt() / (1 - beta2**past) ** 0.5).add_(_EPS)
        parameter.addcdiv_(first, denominator, value=-lr / (1 - beta1**past))
