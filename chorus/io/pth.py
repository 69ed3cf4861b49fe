"""Torch checkpoints of others, read without running anything in them."""

from __future__ import annotations

from pathlib import Path

import torch

from chorus.files import reading, regular


def read_pth(path: Path, *, expected: str, fix: str):
    """What a .pth or .pt file holds, on the CPU: tensors and plain containers only. Raises InputError with ``expected``
    and ``fix``."""
    with reading(path, expected=expected, fix=fix):
        return torch.load(regular(path), map_location="cpu", weights_only=True)
