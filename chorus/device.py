"""Where tensors live: ``device`` of params.yaml or CHORUS_DEVICE, as auto | cpu | cuda | cuda:N; and how precisely one
multiplies there."""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager, nullcontext

import torch

from chorus.errors import ParamsError

KNOWN = re.compile(r"auto|cpu|cuda(:\d+)?")


def device_of(name: str = "auto") -> torch.device:
    """The device of this name; CHORUS_DEVICE, where set, stands before it; auto takes CUDA where it is.

    Raises ParamsError for a name that is none, and for a card this machine has not.
    """
    set_by, name = _where(name)
    if not KNOWN.fullmatch(name):
        raise ParamsError(set_by, expected="auto, cpu, cuda or cuda:N", got=repr(name))
    cards = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "auto":
        return torch.device("cuda", torch.cuda.current_device()) if cards else torch.device("cpu")
    if not name.startswith("cuda"):
        return torch.device(name)
    index = int(name.partition(":")[2] or 0)
    if index >= cards:
        raise ParamsError(
            set_by,
            expected=f"one of the {cards} CUDA devices here" if cards else "a device this machine has",
            got=repr(name),
            fix="Set device: auto, or install a CUDA build of torch." if not cards else "Count from cuda:0.",
        )
    return torch.device("cuda", index)


def device_name(device: torch.device) -> str:
    """The device as a table or a log names it: cpu, or "cuda:0 (NVIDIA H100 80GB HBM3)"."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def autocast(device: torch.device, *, half: bool = True) -> AbstractContextManager:
    """The precision work has on a device: products in bfloat16 on CUDA unless ``half`` is False, float32 elsewhere."""
    if device.type != "cuda" or not half:
        return nullcontext()
    return torch.autocast("cuda", torch.bfloat16)


def _where(name: str) -> tuple[str, str]:
    over = os.environ.get("CHORUS_DEVICE")
    return ("CHORUS_DEVICE", over) if over else ("params.yaml: device", name)
