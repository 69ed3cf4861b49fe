"""In which numbers a training computes: bfloat16 where a card has units for it, float32 elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def autocast(device: torch.device) -> AbstractContextManager:
    """On CUDA, matrix products and attention in bfloat16 (parameters, sums and losses stay float32); nothing
    elsewhere."""
    return torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()
