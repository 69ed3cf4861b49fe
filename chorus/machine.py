"""What kind of machine this is: the last digits of captures and fits depend on its instructions, times on its cores."""

from __future__ import annotations

import os
import platform

from numpy._core._multiarray_umath import __cpu_features__ as features

AVX512 = ("AVX512F", "AVX512CD", "AVX512_SKX")  # what numpy, torch and our kernels ask for


def instruction_set() -> str:
    """avx512, avx2, or the name of the architecture."""
    if all(features.get(name) for name in AVX512):
        return "avx512"
    return "avx2" if features.get("AVX2") and features.get("FMA3") else platform.machine()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
