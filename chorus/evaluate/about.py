"""What a report's figures were counted on: rooms, homes, names, furniture, time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from chorus.evaluate.inputs import ReportInputs, Room
from chorus.stages import PARTS


def data(inputs: ReportInputs, *, draws: int) -> dict:
    """The block `data` of metrics.json. draws: of every interval."""
    return {
        "split": inputs.split,
        "rooms": [room.name for room in inputs.test],
        "homes": homes(inputs.test),
        "models": furniture(inputs.test, inputs.trained_models),
        "adaptation_rooms": [room.name for room in inputs.adaptation],
        "adaptation_homes": homes(inputs.adaptation),
        "adaptation_models": furniture(inputs.adaptation, inputs.trained_models),
        "probe_training_rooms": len(inputs.probe_train),
        "truth_points": int(sum(len(room.truth) for room in inputs.test)),
        "names": list(inputs.names),
        "taught": list(inputs.taught),
        "withheld": list(inputs.withheld),
        "family": inputs.family,
        "draws": draws,
        "seed": inputs.seed,
    }


def home_of(room: Room) -> str:
    """The home a room is of; a room without one is its own."""
    return str(room.info.get("home", room.name))


def homes(rooms: Iterable[Room]) -> list[str]:
    """Names of the rooms' homes, sorted."""
    return sorted({home_of(room) for room in rooms})


def furniture(rooms: Iterable[Room], trained: frozenset[str]) -> dict:
    """How many furniture models the rooms show, over how many items, and which of them rooms trained on show too."""
    drawn = sum((Counter(room.info.get("models", {})) for room in rooms), Counter())
    shared = sorted(set(drawn) & trained)
    return {
        "models": len(drawn),
        "items": drawn.total(),
        "shared": shared,
        "shared_items": sum(drawn[name] for name in shared),
    }


def fits(inputs: ReportInputs) -> dict:
    """PSNR in dB on views no fit saw: blind (nothing of the view is used) and raw (without exposure); over the scenes
    of the report that have such views."""
    blind, raw = (
        sorted(float(scene[key]) for scene in inputs.fit.values() if scene.get(key) is not None)
        for key in ("psnr_blind_heldout", "psnr_raw_heldout")
    )
    return {
        "psnr_blind_median": float(np.median(blind)) if blind else float("nan"),
        "psnr_blind_worst": blind[0] if blind else float("nan"),
        "psnr_raw_median": float(np.median(raw)) if raw else float("nan"),
        "scenes": len(blind),
    }


def times(seconds: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """work: seconds of a stage's runs added up, which go side by side where there are cores; wall: from the one run's
    beginning to its end."""
    table: dict[str, dict[str, float]] = {"wall": {}, "work": {}}
    for stage, value in sorted(seconds.items()):
        table["work" if stage in PARTS else "wall"][stage] = round(float(value), 1)
    return table
