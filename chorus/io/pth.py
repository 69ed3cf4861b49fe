"""Torch checkpoints of others, read without running anything in them."""

from __future__ import annotations

from _pickle import UnpicklingError
from pathlib import Path

import torch

from chorus.errors import InputError

_UNREADABLE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    KeyError,
    UnpicklingError,
)  # what torch raises for a file it cannot or may not read


def read_pth(path: Path, *, expected: str, fix: str):
    """What a .pth or .pt file holds, on the CPU: tensors and plain containers only. Raises InputError with ``expected``
    and ``fix``."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise InputError(path, expected=expected, got=error, fix=fix) from error
