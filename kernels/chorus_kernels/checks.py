"""Argument checks that say where, what was expected and what came."""

from collections.abc import Sequence

import torch
from torch import Tensor

from chorus_kernels import dispatch

Size = int | str | None
CPU = torch.device("cpu")


def tensor(
    op: str,
    name: str,
    value: object,
    shape: Sequence[Size],
    *,
    dtypes: Sequence[torch.dtype] = (torch.float32,),
    device: torch.device = CPU,
) -> Tensor:
    """Checks type, dtype, device, contiguity and shape; sizes given as text or None match anything. Returns the
    tensor."""
    if not isinstance(value, Tensor):
        raise ValueError(f"{op}: {name} must be a torch.Tensor, got {type(value).__name__}")
    if value.dtype not in dtypes:
        allowed = " or ".join(str(d).removeprefix("torch.") for d in dtypes)
        raise ValueError(f"{op}: {name} must be {allowed}, got {str(value.dtype).removeprefix('torch.')}")
    if value.device != device:
        raise ValueError(
            f"{op}: {name} must be on {'the CPU' if device == CPU else device}, got {value.device}; move it "
            f"with .to({str(device)!r})"
        )
    actual = tuple(value.shape)
    if len(actual) != len(shape) or any(
        isinstance(want, int) and want != got for want, got in zip(shape, actual, strict=True)
    ):
        wanted = ", ".join("*" if want is None else str(want) for want in shape)
        raise ValueError(f"{op}: {name} must have shape [{wanted}], got {list(actual)}")
    if not value.is_contiguous():
        raise ValueError(f"{op}: {name} must be contiguous, got strides {value.stride()}; call .contiguous()")
    return value


def home(value: object) -> torch.device:
    """Where an op works that runs on cards too: the tensor's card, else the CPU."""
    return value.device if isinstance(value, Tensor) and dispatch.on_card(value) else CPU


def positive(op: str, **values: float) -> None:
    """Every value must be a positive number."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{op}: {name} must be positive, got {value}")


def one_of(op: str, name: str, value: object, allowed: Sequence[object]) -> None:
    """The value must be among the allowed ones."""
    if value not in allowed:
        raise ValueError(f"{op}: {name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def image(op: str, width: int, height: int) -> None:
    """Image sizes: whole numbers from 1 to 32768."""
    for name, value in (("width", width), ("height", height)):
        if not isinstance(value, int) or not 1 <= value <= 32768:
            raise ValueError(f"{op}: {name} must be a whole number from 1 to 32768, got {value!r}")


def scene(op: str, means: Tensor, quats: Tensor, scales: Tensor, opacities: Tensor) -> int:
    """The four tensors of a scene's shape; returns N."""
    tensor(op, "means", means, ("N", 3))
    n = means.shape[0]
    tensor(op, "quats", quats, (n, 4))
    tensor(op, "scales", scales, (n, 3))
    tensor(op, "opacities", opacities, (n,))
    return n
