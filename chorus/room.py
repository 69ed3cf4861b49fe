"""Whether there is disk and memory enough for a piece of work, said before it starts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from chorus.errors import InputError

GIGA = 1e9


def require_disk(folder: Path, needed: float, *, what: str) -> None:
    """Raise InputError unless the disk of a folder (or of the nearest one above it that exists) has so many bytes
    free."""
    there = next(path for path in (Path(folder).absolute(), *Path(folder).absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if needed > free:
        raise InputError(
            there,
            expected=f"{needed / GIGA:.2f} GB of free disk for {what}",
            got=f"{free / GIGA:.2f} GB",
            fix="Free some, or put the workspace on a larger disk.",
        )


def require_memory(needed: float, *, what: str, fix: str) -> None:
    """Raise InputError unless the machine has so many bytes of memory to give."""
    free = available_memory()
    if free is not None and needed > free:
        raise InputError(
            "memory", expected=f"{needed / GIGA:.2f} GB free for {what}", got=f"{free / GIGA:.2f} GB", fix=fix
        )


def available_memory() -> float | None:
    """Bytes that can be had without swapping; None where the system does not say."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        try:
            return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
        except (ValueError, OSError, AttributeError):
            return None
