"""Which implementation runs: the native build, or (only when asked for) the torch twins."""

import functools
import importlib
import os
from types import ModuleType

import torch
from torch import Tensor

CARDS = ("cuda",)  # device types whose tensors the CUDA paths take


def on_card(value: object) -> bool:
    """Whether this is a tensor for the CUDA paths (gsplat, spconv, plain torch)."""
    return isinstance(value, Tensor) and value.device.type in CARDS


def use_reference() -> bool:
    """True when `CHORUS_KERNELS=reference`."""
    choice = os.environ.get("CHORUS_KERNELS", "native")
    if choice not in ("native", "reference"):
        raise ValueError(f"CHORUS_KERNELS: expected 'native' or 'reference', got {choice!r}")
    return choice == "reference"


@functools.cache
def native() -> ModuleType:
    """The compiled module. Raises ImportError with the cure when it was never built."""
    try:
        return importlib.import_module("chorus_kernels._native")
    except ImportError as error:
        raise ImportError(
            "chorus_kernels: the native module is missing or does not load "
            f"({error}). Build it with `pip install .` (needs a C++17 compiler), "
            "or set CHORUS_KERNELS=reference for the slow torch versions."
        ) from error


def threads() -> int:
    """OpenMP threads to use: torch's setting, which follows OMP_NUM_THREADS."""
    return max(1, torch.get_num_threads())
