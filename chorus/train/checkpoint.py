"""The one running checkpoint of a training: written whole or not at all, and read by the run that wrote it alone."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path

import torch

from chorus.errors import InputError
from chorus.io.pth import read_pth
from chorus.store import atomic_file

CHECKPOINT = "training.pt"
LAYOUT = ("ranks", "accumulate")  # parameters that a checkpoint names beside what its run is made from


def fingerprint(identity: object) -> str:
    """What a run is made from, as one hash. identity: plain JSON."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def without_layout(params: Mapping[str, object]) -> dict[str, object]:
    """The parameters that say what a run is made from: how many share its work is the checkpoint's to name."""
    return {name: value for name, value in params.items() if name not in LAYOUT}


def write_checkpoint(path: Path, state: dict, *, made_from: str, layout: tuple[int, int]) -> None:
    """state: tensors and plain containers; made_from: a fingerprint; layout: ranks, and samples each accumulates."""
    with atomic_file(path) as temporary:
        torch.save({**state, "made_from": made_from, "layout": list(layout)}, temporary)


def read_checkpoint(path: Path, *, made_from: str, layout: tuple[int, int], says: bool = True) -> dict | None:
    """The state of this very run; None where there is none, and for one made from something else, of which a line on
    stderr ``says`` so.

    Raises InputError for a damaged one, and for one of this run but of another layout: its sums come in another order,
    so going on from it would make neither run's bytes.
    """
    if not path.exists():
        return None
    kept = read_pth(path, expected="a training checkpoint", fix="Delete it to start again.")
    if not isinstance(kept, dict) or kept.get("made_from") != made_from:
        if says:
            print(f"{path}: of other parameters, scenes or code; the training starts anew.", file=sys.stderr)
        return None
    if tuple(kept["layout"]) != layout:
        ranks, accumulate = kept["layout"]
        raise InputError(
            path,
            expected=f"a checkpoint of {_worded(*layout)}",
            got=f"one of {_worded(ranks, accumulate)}",
            fix=f"Go on with ranks: {ranks} (--nproc {ranks}) and accumulate: {accumulate}, or delete it.",
        )
    return kept


def _worded(ranks: int, accumulate: int) -> str:
    return f"{ranks} rank{'' if ranks == 1 else 's'} x {accumulate} sample{'' if accumulate == 1 else 's'}"
