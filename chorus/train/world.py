"""Which process of a training this one is, as torchrun's environment says; no torch is imported to know."""

from __future__ import annotations

import os
from dataclasses import dataclass

from chorus.errors import InputError


@dataclass(frozen=True)
class World:
    """rank of size processes; the one of rank 0 writes."""

    rank: int = 0
    size: int = 1

    @property
    def writes(self) -> bool:
        return self.rank == 0


def started() -> World:
    """The world this process was started in; alone where nothing says otherwise. Joins nobody yet."""
    try:
        return World(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))
    except ValueError as error:
        raise InputError(
            "RANK and WORLD_SIZE", expected="numbers, as torchrun sets them", got=error, fix="Unset both."
        ) from error
